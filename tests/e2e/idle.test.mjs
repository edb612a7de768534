// Idle economics over the simulated Claude API: renewals, lifetimes, repaired breakpoints.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, masterKey, until } from "./support/processes.mjs";

const model = "claude-sonnet-4-5";
const config = (info, router = "") => (upstream) => `model_list:
${upstream.accounts
  .map(
    (account) => `  - model_name: ${model}
    litellm_params:
      model: anthropic/${model}
      api_base: ${upstream.url}
      api_key: ${account.api_key}
${info}`,
  )
  .join("")}router_settings:
  optional_pre_call_checks: ["prompt_caching"]
${router}general_settings:
  master_key: ${masterKey}
`;

const long = (name, times = 400) => `${name} ${"Every word of this is part of the prompt. ".repeat(times)}`;
const marker = { type: "ephemeral" };
const ask = async (gateway, body, session = "session-of-idle-tests") => {
  const answer = await gateway.post("/v1/messages", { model, max_tokens: 20, ...body }, { "x-claude-code-session-id": session });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
};
const received = async (upstream) =>
  (await upstream.state()).accounts.flatMap((account) => account.received.map((row) => ({ ...row, body: JSON.parse(row.body) })));

// Reads that cost nothing make every renewal worth its price, and a guard of almost the whole
// lifetime makes it due after a second or two.
const cheap = "      cache_read_input_token_cost: 0\n    model_info:\n      keep_warm: true\n";
const soon = "  keep_warm_guard_seconds: 299\n";

test("a quiet conversation is renewed where its entry is, and found warm when it comes back", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: config(cheap, soon) });
  const system = [{ type: "text", text: long("kept"), cache_control: marker }];
  const first = { system, messages: [{ role: "user", content: [{ type: "text", text: "Hello", cache_control: marker }] }] };
  const written = (await ask(gateway, first)).usage.cache_creation_input_tokens;
  assert.ok(written > 1000);
  await upstream.clock(200);
  const rows = await gateway.rows(2, "&");
  const renewal = rows.find((row) => row.call_type === "keep_warm");
  assert.ok(renewal, JSON.stringify(rows.map((row) => row.call_type)));
  assert.equal(renewal.status, "success");
  assert.equal(renewal.model_id, rows.find((row) => row.call_type !== "keep_warm").model_id);
  assert.equal(renewal.cache_read_input_tokens + renewal.cache_creation_input_tokens, written);
  assert.equal(renewal.completion_tokens, 0);
  assert.equal(renewal.api_key, rows[0].api_key);
  const sent = (await received(upstream)).filter((row) => row.body.max_tokens === 0);
  assert.ok(sent.length >= 1);
  assert.deepEqual({ ...sent[0].body, max_tokens: 20, stream: undefined }, { model, max_tokens: 20, ...first, stream: undefined });
  const { decision } = await gateway.get(`/spend/logs/ui/${renewal.request_id}`);
  assert.ok(decision.keep_warm.return_odds >= 0 && decision.keep_warm.expected_gain > 0, JSON.stringify(decision));
  // 400 seconds after it was written it would be gone; a renewal at 200 s keeps it until 500 s.
  await until("a renewal after the clock moved", async () => {
    const state = await upstream.state();
    return state.accounts.some((account) => account.received.filter((row) => row.usage.cache_read_input_tokens === written).length > 1);
  });
  await upstream.clock(200);
  const second = { system, messages: [...first.messages, { role: "assistant", content: "Hi" }, { role: "user", content: "More" }] };
  assert.equal((await ask(gateway, second)).usage.cache_read_input_tokens, written);
  const { totals } = await gateway.get("/ui/api/summary");
  assert.ok(totals.keep_warm_renewals >= 1, JSON.stringify(totals));
});

test("what cannot be renewed is not, and nothing is spent beyond the cap", async (t) => {
  const { gateway, upstream } = await startPair(t, {
    config: config(cheap, `${soon}  keep_warm_usd_per_day: 0\n`),
  });
  await ask(gateway, { system: [{ type: "text", text: long("capped"), cache_control: marker }], messages: [{ role: "user", content: [{ type: "text", text: "Hello", cache_control: marker }] }] });
  await gateway.rows(1);
  await new Promise((done) => setTimeout(done, 3500)); // a renewal would have been due three times
  assert.equal((await received(upstream)).length, 1);
});

test("auto_ttl makes small writes on long prefixes last an hour, and leaves the rest of the body alone", async (t) => {
  const info = "    model_info:\n      auto_ttl: true\n";
  const { gateway, upstream } = await startPair(t, { config: config(info) });
  const system = [{ type: "text", text: long("hours", 3000), cache_control: marker }];
  const turn = (text) => ({ role: "user", content: [{ type: "text", text, cache_control: marker }] });
  await ask(gateway, { system, messages: [turn("one")] });
  await ask(gateway, { system, messages: [{ role: "user", content: "one" }, { role: "assistant", content: "1" }, turn(long("two", 40))] });
  const [first, second] = await received(upstream);
  assert.equal(first.body.system[0].cache_control.ttl, undefined, "a whole prompt is too dear for an hour");
  assert.equal(first.usage.cache_creation_1h_input_tokens, 0);
  assert.equal(second.body.system[0].cache_control.ttl, "1h");
  assert.equal(second.body.messages[2].content[0].cache_control.ttl, "1h");
  assert.ok(second.usage.cache_read_input_tokens > 20000);
  assert.ok(second.usage.cache_creation_1h_input_tokens > 0 && second.usage.cache_creation_5m_input_tokens === 0);
  const row = (await gateway.rows(2))[1];
  assert.ok(row.cache_creation_1h_input_tokens > 0);
  // The hour's entry holds all but a few tokens: the next write need not cost double.
  const history = [{ role: "user", content: "one" }, { role: "assistant", content: "1" }, { role: "user", content: [{ type: "text", text: long("two", 40) }] }, { role: "assistant", content: "2" }];
  const third = (await ask(gateway, { system, messages: [...history, turn("three")] })).usage;
  assert.equal((await received(upstream))[2].body.messages[4].content[0].cache_control.ttl ?? "5m", "5m");
  assert.equal(third.cache_creation.ephemeral_1h_input_tokens, 0);
  // Half an hour later the small write is gone, and what the hour covers is still there: parts that
  // had been written for five minutes too.
  await upstream.clock(1800);
  const fourth = (await ask(gateway, { system, messages: [...history, { role: "user", content: [{ type: "text", text: "three" }] }, { role: "assistant", content: "3" }, turn("four")] })).usage;
  assert.equal(fourth.cache_read_input_tokens, second.usage.cache_read_input_tokens + second.usage.cache_creation_1h_input_tokens);
});

test("breakpoint_repair bridges a turn of many blocks, and marks what the client left unmarked", async (t) => {
  const info = "    model_info:\n      breakpoint_repair: true\n";
  const { gateway, upstream } = await startPair(t, { config: config(info) });
  const system = [{ type: "text", text: long("repair", 600) }];
  const texts = Array.from({ length: 30 }, (_, i) => ({ type: "text", text: `part ${i}` }));
  const opening = { role: "user", content: [{ type: "text", text: long("opening", 300), cache_control: marker }] };
  const plain = { role: "user", content: [{ type: "text", text: long("opening", 300) }] };
  await ask(gateway, { system, messages: [opening] });
  const grown = [...texts.slice(0, 29), { ...texts[29], cache_control: marker }];
  await ask(gateway, { system, messages: [plain, { role: "assistant", content: "Yes" }, { role: "user", content: grown }] });
  const unmarked = await ask(gateway, { system: long("unmarked", 600), messages: [{ role: "user", content: "No markers" }] });
  const rows = await received(upstream);
  assert.ok(rows[1].usage.cache_read_input_tokens > 5000, JSON.stringify(rows[1].usage));
  assert.deepEqual(rows[1].body.messages[0].content[0].cache_control, marker);
  assert.equal(rows[1].body.messages[0].content[0].text, opening.content[0].text);
  assert.ok(unmarked.usage.cache_creation_input_tokens > 5000, JSON.stringify(unmarked.usage));
});

test("a refused renewal leaves its row and is not tried again; a crowded deployment is left alone", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: config(cheap, soon) });
  const body = (name) => ({ system: [{ type: "text", text: long(name), cache_control: marker }], messages: [{ role: "user", content: [{ type: "text", text: "Hello", cache_control: marker }] }] });
  await ask(gateway, body("refused"), "session-refused");
  await upstream.fault({ account: "*", kind: "status", status: 400, count: 1, type: "invalid_request_error", message: "max_tokens: must be at least 1" });
  const failed = await until("the refused renewal", async () =>
    (await gateway.logs()).data.find((row) => row.call_type === "keep_warm" && row.status === "failure"),
  );
  assert.equal(failed.http_status, 400);
  assert.equal(failed.spend, 0);
  const sent = async () => (await received(upstream)).filter((row) => row.body.max_tokens === 0).length;
  const before = await sent();
  await new Promise((done) => setTimeout(done, 2500)); // it would have been due twice
  assert.equal(await sent(), before);
});

test("renewals wait while clients need the deployment's limits", async (t) => {
  const limited = cheap.replace("    model_info:", "      rpm: 1\n    model_info:");
  const { gateway, upstream } = await startPair(t, { config: config(limited, soon), provider: { accounts: 1 } });
  await ask(gateway, { system: [{ type: "text", text: long("crowded"), cache_control: marker }], messages: [{ role: "user", content: [{ type: "text", text: "Hello", cache_control: marker }] }] });
  await new Promise((done) => setTimeout(done, 3500)); // it would have been due three times
  assert.equal((await received(upstream)).filter((row) => row.body.max_tokens === 0).length, 0);
});
