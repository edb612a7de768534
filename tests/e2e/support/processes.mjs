// Starts the gateway and the simulated provider, each on a free port, and stops what was started.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const binary = process.env.WARMPATH_BINARY || join(root, "build/warmpath");
export const masterKey = "sk-e2e-master-key";

// Ends a process before its folder is removed: until it is gone it writes there.
export async function endProcess(child, signal = "SIGTERM") {
  const gone = child.exitCode !== null || child.signalCode !== null || new Promise((done) => child.once("exit", done));
  child.kill(signal);
  await gone;
}

export function scratch(prefix = "warmpath-e2e-") {
  return mkdtempSync(join(tmpdir(), prefix));
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Polls until `check` gives something true; the error names what was waited for.
export async function until(what, check, timeoutMs = 15000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await sleep(50);
  }
}

// What a process has said so far may be on its way yet.
export const untilSaid = (process_, pattern, timeoutMs = 10000) =>
  until(`${pattern} in the output:\n${process_.output}`, () => pattern.test(process_.output), timeoutMs);

// A child whose output is kept; `ready` resolves with what `match` finds in it.
function start(command, args, env, match) {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const state = { child, output: "", exited: null };
  const exit = new Promise((done) => child.on("close", (code, signal) => done((state.exited = { code, signal }))));
  state.exit = exit;
  state.ready = new Promise((done, fail) => {
    const look = (chunk) => {
      state.output += chunk;
      const found = match(state.output);
      if (found) done(found);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    exit.then(() => fail(new Error(`${command} ${args.join(" ")} ended:\n${state.output}`)));
  });
  state.ready.catch(() => {});
  state.stop = async (signal = "SIGTERM", timeoutMs = 20000) => {
    if (state.exited) return state.exited;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    await exit;
    clearTimeout(timer);
    return state.exited;
  };
  return state;
}

async function json(url, init) {
  const answer = await fetch(url, init);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// The simulated provider. `accounts` have name, aws_access_key_id, aws_secret_access_key, api_key, bearer.
export async function startProvider({ accounts = 2, ttftMs = 0, eventMs = 0, keepBodies = true } = {}) {
  const args = ["provider", "--port", "0", "--accounts", `${accounts}`];
  if (keepBodies) args.push("--keep-bodies");
  args.push("--ttft-ms", `${ttftMs}`, "--event-ms", `${eventMs}`);
  const process_ = start(binary, args, { PATH: process.env.PATH }, (text) => /^\{.*\}$/m.exec(text));
  const about = JSON.parse((await process_.ready)[0]);
  const url = `http://127.0.0.1:${about.port}`;
  const control = (path, body) => json(`${url}/_sim/${path}`, { method: "POST", body: JSON.stringify(body) });
  return Object.assign(process_, {
    url,
    accounts: about.accounts,
    state: () => json(`${url}/_sim/state`),
    totals: () => json(`${url}/_sim/state?totals`),
    fault: (body) => control("faults", body),
    rules: (body) => control("rules", body),
    latency: (body) => control("latency", body),
    clock: (seconds) => control("clock", { advance_s: seconds }),
    reset: (caches = true) => control("reset", { caches }),
  });
}

// The usual AWS files with a profile for each account.
export function writeAwsFiles(folder, accounts) {
  mkdirSync(folder, { recursive: true });
  const credentials = accounts
    .map((a) => `[${a.name}]\naws_access_key_id = ${a.aws_access_key_id}\naws_secret_access_key = ${a.aws_secret_access_key}\n`)
    .join("\n");
  writeFileSync(join(folder, "credentials"), credentials, { mode: 0o600 });
  writeFileSync(join(folder, "config"), accounts.map((a) => `[profile ${a.name}]\nregion = us-west-2\n`).join("\n"));
  return {
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "credentials"),
    AWS_CONFIG_FILE: join(folder, "config"),
  };
}

// The gateway. config: YAML text; env: what the config and the AWS chain read.
export async function startGateway({ config, env = {}, args = [], key = masterKey }) {
  const folder = scratch();
  const file = join(folder, "config.yaml");
  writeFileSync(file, config);
  const all = ["serve", "--config", file, "--port", "0", "--state-dir", join(folder, "state"), "--num_workers", "2", ...args];
  const process_ = start(binary, all, { PATH: process.env.PATH, HOME: folder, ...env }, (text) =>
    /https?:\/\/(?:127\.0\.0\.1|0\.0\.0\.0):(\d+)/.exec(text),
  );
  const port = Number((await process_.ready)[1]);
  const url = `http://127.0.0.1:${port}`;
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const logs = (query = "") => json(`${url}/spend/logs/ui?page_size=100${query}`, { headers });
  return Object.assign(process_, {
    url,
    port,
    key,
    folder,
    file,
    headers,
    get: (path) => json(`${url}${path}`, { headers }),
    post: (path, body, extra = {}) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json", "anthropic-version": "2023-06-01", ...extra },
        body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      }),
    // Rows oldest first, once there are at least `count` of them (the ledger commits in batches).
    rows: async (count, query = "") => {
      const found = await until(`${count} log rows`, async () => {
        const page = await logs(query);
        return page.total >= count && page.data.length >= Math.min(count, 100) ? page : null;
      });
      return found.data.reverse();
    },
    logs,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  });
}

export const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

// The configuration that the project exists for: two accounts by AWS profile.
export function twoAccounts(extra = "") {
  const deployment = (name) => `  - litellm_params:
      model: ${model}
      aws_profile_name: ${name}
      aws_region_name: us-west-2
    model_info:
      litellm_provider: bedrock
    model_name: ${model}
`;
  return `router_settings:
  optional_pre_call_checks: ["prompt_caching"]

model_list:
${deployment("account-1")}${deployment("account-2")}${extra}`;
}

// Provider and gateway with two accounts; stops both after the test.
export async function startPair(t, { config = null, provider = {}, args = [], env = {}, key = masterKey } = {}) {
  const upstream = await startProvider(provider);
  const folder = scratch("warmpath-aws-");
  let gateway = null; // where it does not start, the provider is stopped all the same
  t.after(async () => {
    const ended = await gateway?.stop();
    await upstream.stop();
    gateway?.remove();
    rmSync(folder, { recursive: true, force: true });
    if (ended && ended.code !== 0) throw new Error(`the gateway ended with ${JSON.stringify(ended)}:\n${gateway.output}`);
  });
  gateway = await startGateway({
    config: config ? config(upstream) : twoAccounts(key ? `\ngeneral_settings:\n  master_key: ${key}\n` : ""),
    env: { ...writeAwsFiles(folder, upstream.accounts), AWS_ENDPOINT_URL_BEDROCK_RUNTIME: upstream.url, ...env },
    args,
    key,
  });
  return { gateway, upstream };
}
