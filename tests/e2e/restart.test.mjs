// What the gateway knows of the caches outlives a restart.
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { masterKey, model, scratch, startGateway, startProvider, twoAccounts, untilSaid, writeAwsFiles } from "./support/processes.mjs";

const marker = { type: "ephemeral" };
const long = (name) => `${name} ${"All of this is shared by everybody who asks. ".repeat(2000)}`;

// A provider, and gateways one after another over one state directory.
async function place(t, general = "") {
  const upstream = await startProvider({ ttftMs: 50 });
  const folder = scratch("warmpath-restart-");
  const state = join(folder, "state");
  const env = { ...writeAwsFiles(folder, upstream.accounts), AWS_ENDPOINT_URL_BEDROCK_RUNTIME: upstream.url };
  const running = [];
  t.after(async () => {
    for (const gateway of running) {
      await gateway.stop();
      gateway.remove();
    }
    await upstream.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const start = async () => {
    const gateway = await startGateway({ config: twoAccounts(`\ngeneral_settings:\n  master_key: ${masterKey}\n${general}`), env, args: ["--state-dir", state] });
    running.push(gateway);
    return gateway;
  };
  return { upstream, state, file: join(state, "cache-state"), start };
}

async function turn(gateway, name, turns, extra = {}) {
  const messages = Array.from({ length: 2 * turns + 1 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `${name} says ${i}` }));
  messages[messages.length - 1].content = [{ type: "text", text: `${name} says ${2 * turns}`, cache_control: marker }];
  const system = [{ type: "text", text: long(name), cache_control: marker }];
  const answer = await gateway.post("/v1/messages", { model, max_tokens: 16, system, messages, ...extra }, { "x-claude-code-session-id": name });
  assert.equal(answer.status, 200, await answer.clone().text());
  return extra.stream ? answer.text() : (await answer.json()).usage;
}

const requests = async (upstream) => (await upstream.state()).accounts.map((account) => account.requests);

// Conversations, so many on each account, and which of them is where.
async function spread(gateway, upstream, count) {
  const homes = new Map();
  let before = await requests(upstream);
  for (let i = 0; i < count; i++) {
    await turn(gateway, `talk-${i}`, 0);
    const after = await requests(upstream);
    homes.set(`talk-${i}`, after[1] > before[1] ? 1 : 0);
    before = after;
  }
  assert.deepEqual(new Set(homes.values()), new Set([0, 1]), "both accounts have some");
  return homes;
}

async function nextTurnsRead(gateway, upstream, homes) {
  for (const [name, home] of homes) {
    const before = await requests(upstream);
    const usage = await turn(gateway, name, 1);
    const after = await requests(upstream);
    assert.equal(after[home], before[home] + 1, `${name} belongs on account ${home + 1}`);
    assert.ok(usage.cache_read_input_tokens > 20000, JSON.stringify(usage));
  }
}

test("conversations go on where they are warm after SIGTERM and a new start", async (t) => {
  const { upstream, file, start } = await place(t);
  const first = await start();
  const homes = await spread(first, upstream, 10);
  assert.deepEqual((await first.stop()).code, 0);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const bytes = readFileSync(file);
  assert.ok(bytes.length < 20000, `${bytes.length} bytes`);
  assert.ok(!bytes.includes("talk-1") && !bytes.includes("shared by everybody"), "no text");
  const second = await start();
  await nextTurnsRead(second, upstream, homes);
  // It knew, it was not luck: the reads were predicted.
  const rows = (await second.rows(20)).slice(-10);
  for (const row of rows) {
    const { decision } = await second.get(`/spend/logs/ui/${row.request_id}`);
    assert.ok(decision.candidates[0].predicted_read > 20000, JSON.stringify(decision.candidates));
    assert.equal(decision.candidates[0].reason, "cache");
  }
});

test("a successor that starts while the last streams run knows as much", async (t) => {
  const { upstream, start } = await place(t);
  const first = await start();
  const homes = await spread(first, upstream, 8);
  await upstream.fault({ account: "*", kind: "slow", delay_ms: 1500, count: 1 });
  const stream = turn(first, "talk-0", 1, { stream: true });
  await new Promise((done) => setTimeout(done, 200));
  const stopped = first.stop();
  await untilSaid(first, /finishing what runs/);
  const second = await start();
  homes.delete("talk-0");
  await nextTurnsRead(second, upstream, homes);
  assert.ok((await stream).includes("message_stop"));
  assert.equal((await stopped).code, 0);
  // What the last stream wrote is in what the first one left behind.
  const third = await start();
  await turn(third, "talk-0", 2);
  const { decision } = await third.get(`/spend/logs/ui/${(await third.rows(17)).at(-1).request_id}`);
  const read = decision.candidates[0].predicted_read, all = read + decision.candidates[0].predicted_write;
  assert.ok(read > 0 && all - read < 12, `all but the newest turn: ${read} of ${all}`);
});

test("what was learnt of the caches' reliability is kept", async (t) => {
  const { upstream, start } = await place(t);
  const first = await start();
  for (let i = 0; i < 8; i++) {
    await turn(first, "talk", i);
    if (i < 4) await upstream.reset();
  }
  const odds = async (gateway) => JSON.stringify((await gateway.get("/ui/api/deployments")).data.map((d) => [d.hit_odds, d.token_scale, d.cache_domain]));
  const before = await odds(first);
  assert.match(before, /\[0\.\d/, `not all beliefs came true: ${before}`);
  await first.stop();
  assert.equal(await odds(await start()), before);
});

test("a damaged file costs what it held and nothing else", async (t) => {
  const { file, start } = await place(t);
  const first = await start();
  await turn(first, "talk", 0);
  await first.stop();
  const good = readFileSync(file);
  for (const [what, bytes] of [["empty", Buffer.alloc(0)], ["half", good.subarray(0, good.length / 2)], ["changed", Buffer.concat([good.subarray(0, 300), Buffer.from([good[300] ^ 1]), good.subarray(301)])]]) {
    writeFileSync(file, bytes);
    const gateway = await start();
    await untilSaid(gateway, /cache-state is damaged or of another version/);
    assert.ok((await turn(gateway, "talk", 1)).cache_creation_input_tokens >= 0, what);
    await gateway.stop();
    assert.ok(readFileSync(file).length > 300, `${what}: written anew`);
  }
});

test("store_cache_state: false writes and reads nothing", async (t) => {
  const { state, start } = await place(t, "  store_cache_state: false\n");
  const first = await start();
  await turn(first, "talk", 0);
  await first.stop();
  assert.deepEqual(readdirSync(state).filter((name) => name.startsWith("cache-state")), []);
});
