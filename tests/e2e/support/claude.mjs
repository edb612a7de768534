// The real Claude Code against the gateway, in a home and a repository of its own, with every way
// out but loopback closed.
import { spawn, execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { model, root, scratch } from "./processes.mjs";

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
    child.on("exit", (code) => {
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
