// A 429 that names its end: whether a conversation waits for the account where it is warm or is
// written anew on another is a matter of what either costs.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model } from "./support/processes.mjs";

const marker = { type: "ephemeral" };
// 45 bytes a time: some 11 tokens.
const text = (name, times) => ({ type: "text", text: `${name} ${"All of this is shared by everybody who asks. ".repeat(times)}`, cache_control: marker });

async function turn(gateway, name, times, turns) {
  const messages = Array.from({ length: 2 * turns + 1 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `${name} says ${i}` }));
  messages[messages.length - 1].content = [{ type: "text", text: `${name} says ${2 * turns}`, cache_control: marker }];
  const begun = Date.now();
  const answer = await gateway.post("/v1/messages", { model, max_tokens: 16, system: [text(name, times)], messages }, { "x-claude-code-session-id": name });
  assert.equal(answer.status, 200, await answer.clone().text());
  return { ms: Date.now() - begun, usage: (await answer.json()).usage };
}

const last = async (gateway, count) => {
  const row = (await gateway.rows(count)).at(-1);
  return { row, ...(await gateway.get(`/spend/logs/ui/${row.request_id}`)) };
};
const accountOf = async (upstream) => {
  const { accounts } = await upstream.state();
  return accounts.find((account) => account.requests > 0).name;
};
const throttle = (upstream, account, count = 1, seconds = 1) =>
  upstream.fault({ account, kind: "status", status: 429, count, type: "ThrottlingException", retry_after: `${seconds}` });

test("a long conversation waits a second for its home and reads", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await turn(gateway, "long", 4000, 0);
  const home = await accountOf(upstream);
  await throttle(upstream, home);
  const { ms, usage } = await turn(gateway, "long", 4000, 1);
  assert.ok(ms >= 950 && ms < 4000, `${ms} ms`);
  assert.ok(usage.cache_read_input_tokens > 40000, JSON.stringify(usage));
  const { row, decision, attempts } = await last(gateway, 2);
  assert.deepEqual(attempts.map((attempt) => attempt.status), [429, 200]);
  assert.equal(new Set(attempts.map((attempt) => attempt.model_id)).size, 1);
  assert.ok(decision.waited_ms >= 950, JSON.stringify(decision));
  assert.ok(row.overhead_us < 200000, `waiting is not overhead: ${row.overhead_us}`);
  const { accounts } = await upstream.state();
  assert.equal(accounts.find((account) => account.name !== home).requests, 0);
});

test("a short one moves at once", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await turn(gateway, "short", 120, 0);
  const home = await accountOf(upstream);
  await throttle(upstream, home, 1, 2);
  const { ms, usage } = await turn(gateway, "short", 120, 1);
  assert.ok(ms < 900, `${ms} ms`);
  assert.equal(usage.cache_read_input_tokens, 0);
  const { attempts } = await last(gateway, 2);
  assert.equal(new Set(attempts.map((attempt) => attempt.model_id)).size, 2);
});

test("a home that goes on refusing is left after one wait", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await turn(gateway, "refused", 4000, 0);
  const home = await accountOf(upstream);
  await throttle(upstream, home, 20);
  const { ms, usage } = await turn(gateway, "refused", 4000, 1);
  assert.ok(ms >= 950 && ms < 4000, `${ms} ms`);
  assert.ok(usage.cache_creation_input_tokens > 40000, JSON.stringify(usage));
  const { attempts } = await last(gateway, 2);
  assert.deepEqual(attempts.map((attempt) => attempt.status), [429, 429, 200]);
});

test("others of the same home wait with it instead of being written anew", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await turn(gateway, "one", 4000, 0);
  const home = await accountOf(upstream);
  await throttle(upstream, home);
  const first = turn(gateway, "one", 4000, 1);
  await new Promise((done) => setTimeout(done, 300)); // the home is known to refuse
  const [a, b] = await Promise.all([first, turn(gateway, "one", 4000, 2)]);
  assert.ok(a.usage.cache_read_input_tokens > 40000 && b.usage.cache_read_input_tokens > 40000, JSON.stringify([a, b]));
  assert.ok(b.ms >= 500, `${b.ms} ms`);
});
