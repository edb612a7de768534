// What the commands print, to the person who types them.
import test from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary, endProcess, scratch, twoAccounts, until } from "./support/processes.mjs";

const run = (...args) => {
  const { status, stdout, stderr } = spawnSync(binary, args, { encoding: "utf8", env: { PATH: process.env.PATH, HOME: "/nonexistent" } });
  return { status, out: stdout, err: stderr };
};

test("every command has a help that fits a terminal and begins with what it does", () => {
  const all = run("--help");
  assert.equal(all.status, 0);
  for (const command of ["serve", "check", "demo", "provider", "reference"]) {
    assert.match(all.out, new RegExp(`^  ${command} `, "m"));
    const help = run(command, "--help");
    assert.equal(help.status, 0);
    assert.match(help.out, new RegExp(`^warmpath ${command}: .+\n\nusage: warmpath ${command}`));
    for (const line of help.out.split("\n")) assert.ok(line.length <= 100, line);
  }
  assert.match(run("--version").out, /^warmpath \d+\.\d+\.\d+/);
});

test("what is mistyped is met with what is near", () => {
  const command = run("chekc");
  assert.equal(command.status, 2);
  assert.match(command.err, /no command chekc; did you mean check\? See warmpath --help/);
  const option = run("serve", "--prot", "1");
  assert.equal(option.status, 2);
  assert.match(option.err, /unknown option --prot; did you mean --port\?/);
  assert.match(run("serve", "--port", "http").err, /--port takes a number from 0 to 65535, not "http"/);
  assert.match(run("serve").err, /no configuration/);
});

test("check prints the deployments with their ids, all problems, and what the start would fail on", (t) => {
  const folder = scratch();
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const check = (text) => {
    const file = join(folder, "config.yaml");
    writeFileSync(file, text);
    return run("check", file);
  };
  const good = check(twoAccounts());
  assert.equal(good.status, 0, good.err);
  assert.equal(good.err, "");
  assert.match(good.out, /383534f9e78f85efbf65f663acabcd3e75a45b490e302ba912d9723d8de5cca7  bedrock .* profile=account-1/);
  assert.match(good.out, /2a6e6d8aab824883c0fe437bbde4ba6f4caf1112a0bc9a79921d9ea86951e0a4  bedrock .* profile=account-2/);
  assert.match(good.out, /only loopback addresses would be served/);
  assert.match(good.out, /0 errors, 0 warnings\n$/);
  const bad = check(twoAccounts("\nrouter_settings_: {}\ngeneral_settings:\n  master_key: [x]\n  custom_auth: y\n"));
  assert.equal(bad.status, 1);
  assert.match(bad.err, /config\.yaml:\d+:1: warning: router_settings_: unknown key; did you mean router_settings\?/);
  assert.match(bad.err, /config\.yaml:\d+:\d+: error: general_settings\.master_key: expected text, got a list/);
  assert.match(bad.err, /config\.yaml:\d+:3: error: general_settings\.custom_auth: not supported, and not ignored/);
  assert.match(bad.out, /2 errors, 1 warning\n$/);
  const certificate = check(twoAccounts("\ngeneral_settings: {master_key: sk-0123456789, tls_certificate_file: /nonexistent.pem, tls_key_file: /nonexistent.key}\n"));
  assert.equal(certificate.status, 1);
  assert.match(certificate.err, /tls_certificate_file/);
});

test("the demo says how to point Claude Code at it, and where the console is", async (t) => {
  const folder = scratch();
  const child = spawn(binary, ["demo", "--port", "0", "--state-dir", folder], { env: { PATH: process.env.PATH, HOME: folder } });
  let out = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  t.after(async () => {
    await endProcess(child, "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  await until("the demo's lines", () => out.includes("Console:"));
  const url = /export ANTHROPIC_BASE_URL=(http:\/\/127\.0\.0\.1:\d+) ANTHROPIC_AUTH_TOKEN=(\S+)/.exec(out);
  assert.ok(url, out);
  assert.match(out, new RegExp(`Console: ${url[1]}/ui/`));
  const model = /claude --model (\S+)/.exec(out)[1];
  const answer = await fetch(`${url[1]}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${url[2]}` },
    body: JSON.stringify({ model, max_tokens: 10, messages: [{ role: "user", content: "hello" }] }),
  });
  assert.equal(answer.status, 200, await answer.text());
  const body = /-d '(.*)'/.exec(out)[1];
  const curl = await fetch(`${url[1]}/v1/messages`, { method: "POST", headers: { "content-type": "application/json", "x-api-key": url[2] }, body });
  assert.equal(curl.status, 200, "the printed curl line works");
  const ended = new Promise((done) => child.once("exit", (code) => done(code)));
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
});
