// Fifty clients at once, each a conversation like Claude Code's with a fan-out of subagents, over
// two simulated accounts: once with the planner, once with simple-shuffle. The providers' own sums
// show what the planner saves, and the gateway's ledger holds exactly those sums.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model, twoAccounts, masterKey, until } from "./support/processes.mjs";

const CLIENTS = 50;
const TURNS = 8;
const SUBAGENTS = 4;
const general = `\ngeneral_settings:\n  master_key: ${masterKey}\n`;
const planner = () => twoAccounts(general);
const shuffle = () => twoAccounts(general).replace(/router_settings:\n.*\n/, "router_settings:\n  routing_strategy: simple-shuffle\n");
// The floor: one cache for everybody.
const alone = () => twoAccounts(general).replace(/  - litellm_params:\n(?:(?!  - ).*\n)*?      aws_profile_name: account-2\n(?:(?!  - ).*\n)*?    model_name: .*\n/, "");

const marker = { type: "ephemeral" };
const words = (name, times) => `${name} ${"reads the file, thinks about it, and goes on. ".repeat(times)}`;
const tools = (names) => names.map((name) => ({ name, description: words(name, 12), input_schema: { type: "object" } }));
const heads = {
  main: { tools: tools(["Bash", "Read", "Edit", "Task"]), system: [{ type: "text", text: words("You are an assistant.", 250), cache_control: marker }] },
  sub: { tools: tools(["Read", "Grep"]), system: [{ type: "text", text: words("You are a subagent.", 150), cache_control: marker }] },
};
// As Claude Code marks: the system prompt and the last message.
const marked = (messages) =>
  messages.map((message, i) =>
    i + 1 < messages.length ? message : { ...message, content: message.content.map((block, k, all) => (k + 1 < all.length ? block : { ...block, cache_control: marker })) },
  );
const user = (text) => ({ role: "user", content: [{ type: "text", text }] });
const used = (n, name) => ({ role: "assistant", content: [{ type: "text", text: words(`I use ${name}.`, 2) }, { type: "tool_use", id: `toolu_${n}`, name, input: { path: `/${n}` } }] });
const result = (n, text) => ({ role: "user", content: [{ type: "tool_result", tool_use_id: `toolu_${n}`, content: text }] });

async function send(gateway, head, messages, session, agent) {
  const headers = { "x-claude-code-session-id": session, ...(agent ? { "x-claude-code-agent-id": agent } : {}) };
  const answer = await gateway.post("/v1/messages", { model, max_tokens: 64, stream: true, ...heads[head], messages: marked(messages) }, headers);
  const text = await answer.text();
  assert.equal(answer.status, 200, text.slice(0, 300));
  assert.ok(text.includes("message_stop"), text.slice(-300));
}

async function subagent(gateway, session, number) {
  const agent = `agent-${session}-${number}`;
  const messages = [user(words(`Look into part ${number} of ${session}.`, 60))];
  await send(gateway, "sub", messages, session, agent);
  messages.push(used(1, "Grep"), result(1, words(`found ${number}`, 100)));
  await send(gateway, "sub", messages, session, agent);
}

async function client(gateway, number) {
  const session = `session-of-client-${number}`;
  const messages = [user(words(`Fix issue ${number}.`, 4))];
  for (let turn = 0; turn < TURNS; turn++) {
    await send(gateway, "main", messages, session);
    if (turn === 2) await Promise.all(Array.from({ length: SUBAGENTS }, (_, i) => subagent(gateway, session, i)));
    messages.push(used(turn, "Read"), result(turn, words(`file ${number}.${turn}`, 250)));
  }
}

// Tokens by class, summed over the providers' accounts.
async function providerSums(upstream) {
  const { accounts } = await upstream.state();
  const sum = (key) => accounts.reduce((total, account) => total + account.usage[key], 0);
  return {
    requests: accounts.reduce((total, account) => total + account.requests, 0),
    byAccount: accounts.map((account) => account.requests),
    load: accounts.map(({ usage }) => usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens),
    input: sum("input_tokens"),
    read: sum("cache_read_input_tokens"),
    written: sum("cache_creation_5m_input_tokens") + sum("cache_creation_1h_input_tokens"),
    output: sum("output_tokens"),
  };
}

async function run(t, config) {
  const { gateway, upstream } = await startPair(t, { config, provider: { ttftMs: 60, eventMs: 0, keepBodies: false } });
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(gateway, i)));
  const { byAccount, load, ...sums } = await providerSums(upstream);
  const expected = CLIENTS * (TURNS + SUBAGENTS * 2);
  assert.equal(sums.requests, expected);
  const { totals } = await until("all rows", async () => {
    const summary = await gateway.get("/ui/api/summary");
    return summary.totals.requests >= expected ? summary : null;
  });
  // The ledger is the providers' own account of it, to the token.
  assert.deepEqual(
    { requests: totals.requests, input: totals.input_tokens, read: totals.cache_read_input_tokens, written: totals.cache_creation_input_tokens, output: totals.completion_tokens },
    sums,
  );
  assert.equal(totals.failures, 0);
  // sonnet-4-5: 3, 3.75, 0.3 and 15 USD a million, a tenth more through a regional profile.
  const dollars = (1.1 * (3 * sums.input + 3.75 * sums.written + 0.3 * sums.read + 15 * sums.output)) / 1e6;
  assert.ok(Math.abs(totals.spend - dollars) < 1e-6, `${totals.spend} USD in the ledger, ${dollars} by the providers`);
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: gateway.headers })).text();
  const metric = (name) => [...metrics.matchAll(new RegExp(`^${name}\\{.*\\} (\\S+)$`, "gm"))].reduce((total, match) => total + Number(match[1]), 0);
  assert.equal(metric("warmpath_cache_read_tokens_total"), sums.read);
  assert.equal(metric("warmpath_cache_write_tokens_total"), sums.written);
  const tokens = sums.input + sums.read + sums.written;
  const busiest = Math.max(...load) / (load.reduce((a, b) => a + b) / load.length);
  return { ...sums, byAccount, busiest, hit: sums.read / tokens, cost: (sums.input + 1.25 * sums.written + 0.1 * sums.read) / tokens, predicted: metric("warmpath_predicted_cache_read_tokens_total") };
}

test("fifty clients: the planner against simple-shuffle, by the providers' own sums", async (t) => {
  const shuffled = await run(t, shuffle);
  const planned = await run(t, planner);
  const floor = await run(t, alone);
  const line = (name, r) => `${name}: hit ${(100 * r.hit).toFixed(1)} %, input at ${(100 * r.cost).toFixed(1)} % of its uncached price (${r.input} uncached, ${r.written} written, ${r.read} read; requests ${r.byAccount.join(" and ")}, busiest over mean ${r.busiest.toFixed(2)})`;
  t.diagnostic(line("simple-shuffle", shuffled));
  t.diagnostic(line("planner", planned));
  t.diagnostic(line("one account", floor));
  assert.ok(planned.hit > shuffled.hit + 0.1, `${planned.hit} against ${shuffled.hit}`);
  assert.ok(planned.cost < 0.75 * shuffled.cost, `${planned.cost} against ${shuffled.cost}`);
  assert.ok(planned.cost < 1.03 * floor.cost, `${planned.cost} against ${floor.cost} with one cache`);
  // Both accounts work, although one of them could read every head.
  assert.ok(planned.busiest <= 1.3, `${planned.byAccount} requests, ${planned.busiest}`);
  // Predictions are what was billed, but for what concurrent requests change between plan and send.
  assert.ok(Math.abs(planned.predicted - planned.read) < 0.02 * planned.read, `${planned.predicted} predicted, ${planned.read} read`);
});
