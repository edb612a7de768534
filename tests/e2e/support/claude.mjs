// The real Claude Code against the gateway, in a home and a repository of its own, with every way
// out but loopback closed.
import { spawn, execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { model, root, scratch, until } from "./processes.mjs";

export const claudeBinary = join(root, "tests/e2e/node_modules/.bin/claude");

export function makeHome() {
  const home = scratch("warmpath-claude-");
  const work = join(home, "work");
  mkdirSync(work);
  writeFileSync(join(work, "README.md"), "# A small project\n");
  const git = (...args) => execFileSync("git", args, { cwd: work, env: { PATH: process.env.PATH, HOME: home } });
  git("init", "-q", "-b", "main");
  git("config", "user.email", "dev@example.com");
  git("config", "user.name", "Dev");
  git("add", ".");
  git("commit", "-qm", "first");
  // What the first start asks about: theme, and whether the folder is trusted.
  const known = { hasCompletedOnboarding: true, theme: "dark", projects: { [work]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } } };
  writeFileSync(join(home, ".claude.json"), JSON.stringify(known));
  return { home, work, remove: () => rmSync(home, { recursive: true, force: true }) };
}

function environment(place, gateway, extra) {
  return {
    PATH: process.env.PATH,
    HOME: place.home,
    LANG: "C.UTF-8",
    TERM: "xterm-256color",
    ANTHROPIC_BASE_URL: gateway.url,
    ANTHROPIC_AUTH_TOKEN: gateway.key,
    ANTHROPIC_MODEL: model,
    ANTHROPIC_SMALL_FAST_MODEL: model,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    HTTPS_PROXY: "http://127.0.0.1:9",
    NO_PROXY: "127.0.0.1,localhost",
    ...extra,
  };
}

// One headless run; resolves with exit code, stdout and the parsed result.
export function runClaude(gateway, place, prompt, { args = [], env = {}, timeoutMs = 90000, giveUp = null } = {}) {
  const all = ["-p", prompt, "--output-format", "json", ...args];
  return new Promise((done, fail) => {
    const child = spawn(claudeBinary, all, {
      cwd: place.work,
      env: environment(place, gateway, env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "", err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    giveUp?.then(() => child.kill("SIGKILL"), fail);
    child.on("error", fail);
    child.on("close", (code) => {
      clearTimeout(timer);
      let result = null;
      try {
        result = JSON.parse(out);
      } catch {
        // the caller sees stdout and stderr
      }
      done({ code, out, err, result });
    });
  });
}

// Claude Code in a terminal. `type` sends a line; `sees` waits until the screen has shown a text.
export function openClaude(gateway, place, { args = [], env = {} } = {}) {
  const child = spawn("python3", [join(root, "tests/e2e/support/terminal.py"), claudeBinary, ...args], {
    cwd: place.work,
    env: environment(place, gateway, env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let screen = "";
  child.stdout.on("data", (chunk) => (screen += chunk));
  child.stderr.on("data", (chunk) => (screen += chunk));
  child.stdin.on("error", () => {});
  const ended = new Promise((done) => child.on("exit", (code) => done(code)));
  // Words only: cursor movement stands where blanks are.
  const words = () => screen.replace(/\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)|\s/g, "");
  return {
    words,
    ended,
    sees: (text, timeoutMs = 60000) => until(`the screen to show ${text}; it shows ${words().slice(-600)}`, () => words().includes(text.replace(/\s/g, "")), timeoutMs),
    type: async (text) => {
      child.stdin.write(text);
      await until("the prompt to show what was typed", () => words().includes(text.replace(/\s/g, "")), 60000);
      child.stdin.write("\r");
    },
    close: async () => {
      child.stdin.write("\x03");
      const timer = setInterval(() => child.stdin.write("\x03"), 300);
      const killer = setTimeout(() => child.kill("SIGKILL"), 20000);
      const code = await ended;
      clearInterval(timer);
      clearTimeout(killer);
      return code;
    },
  };
}
