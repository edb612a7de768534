// Where providers differ from the plain rules: thinking that is rendered before the head, betas that
// are part of the key, an hour that is served as five minutes, thinking that is bound to its account.
import test from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { masterKey, scratch, startPair, until } from "./support/processes.mjs";

const model = "claude-opus-4-8"; // takes effort
const config = (accounts) => (upstream) => `model_list:
${upstream.accounts
  .slice(0, accounts)
  .map((account) => `  - model_name: ${model}\n    litellm_params: {model: anthropic/${model}, api_base: "${upstream.url}", api_key: "${account.api_key}"}\n`)
  .join("")}router_settings:
  optional_pre_call_checks: ["prompt_caching"]
general_settings:
  master_key: ${masterKey}
`;

const long = (name, times = 200) => `${name} ${"Every word of this is part of the prompt. ".repeat(times)}`;
const marker = (ttl) => ({ type: "ephemeral", ...(ttl ? { ttl } : {}) });
const text = (words, ttl) => ({ type: "text", text: words, cache_control: marker(ttl) });

// A request of one conversation: tools, system and two turns, each with a marker.
async function ask(gateway, { betas, ttl, messages, ...more } = {}) {
  const body = {
    model,
    max_tokens: 64,
    tools: [{ name: "Read", description: long("tool"), input_schema: { type: "object" }, cache_control: marker(ttl) }],
    system: [text(long("system"), ttl)],
    messages: messages ?? [{ role: "user", content: [text(long("user"), ttl)] }],
    ...more,
  };
  const answer = await gateway.post("/v1/messages", body, { "x-claude-code-session-id": "session-of-the-talk", ...(betas ? { "anthropic-beta": betas } : {}) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

// The last row's prediction, beside what was billed.
async function predicted(gateway, count) {
  const row = (await gateway.rows(count)).at(-1);
  const { decision } = await gateway.get(`/spend/logs/ui/${row.request_id}`);
  return [decision.candidates[0].predicted_read, row.cache_read_input_tokens];
}
const near = ([guess, real], what) => assert.ok(Math.abs(guess - real) <= 16 + real / 50, `${what}: predicted ${guess}, read ${real}`);

function models(rows) {
  const file = join(scratch("warmpath-models-"), "models.json");
  writeFileSync(file, JSON.stringify({ date: "2026-11-29", models: rows }));
  return ["--models", file];
}

for (const inHead of [false, true])
  test(`a change of effort kills ${inHead ? "everything" : "the messages only"}, and that is predicted`, async (t) => {
    const row = { price: { input: 5, output: 25 }, min_cache_tokens: { default: 1024 }, can: { effort: true, thinking_in_head: inHead } };
    const { gateway, upstream } = await startPair(t, { config: config(1), args: models({ [model]: row }) });
    await upstream.rules({ thinking_in_head: inHead });
    await ask(gateway);
    await ask(gateway);
    const whole = await predicted(gateway, 2);
    near(whole, "the same again");
    await ask(gateway, { output_config: { effort: "low" } });
    const changed = await predicted(gateway, 3);
    near(changed, "another effort");
    assert.ok(inHead ? changed[1] === 0 : changed[1] > 0.5 * whole[1] && changed[1] < 0.8 * whole[1], `${changed} of ${whole}`);
    await ask(gateway, { output_config: { effort: "high" } }); // the default
    const back = await predicted(gateway, 4);
    near(back, "the default effort, spelled out");
    assert.equal(back[1], whole[1]);
  });

test("a model that renders thinking first, unknown to the gateway: one wrong prediction, then none", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: config(1) });
  await upstream.rules({ thinking_in_head: true });
  await ask(gateway);
  await ask(gateway, { output_config: { effort: "low" } });
  const [guess, real] = await predicted(gateway, 2);
  assert.ok(guess > 1000 && real === 0, `${guess}, ${real}`);
  await ask(gateway, { output_config: { effort: "low" } });
  near(await predicted(gateway, 3), "after the correction");
});

test("active betas are part of the key of messages; their order is not", async (t) => {
  const { gateway } = await startPair(t, { config: config(1) });
  await ask(gateway, { betas: "one-2026-01-01,two-2026-01-01" });
  await ask(gateway, { betas: "two-2026-01-01, one-2026-01-01" });
  const whole = await predicted(gateway, 2);
  near(whole, "the same set");
  await ask(gateway, { betas: "one-2026-01-01" });
  const fewer = await predicted(gateway, 3);
  near(fewer, "another set");
  assert.ok(fewer[1] > 1000 && fewer[1] < 0.8 * whole[1], `${fewer} of ${whole}`);
});

const anomalies = async (gateway) => (await gateway.get("/ui/api/deployments")).data.map((deployment) => deployment.cache_anomalies);
const told = (gateway, words) => gateway.output.split("\n").filter((line) => line.includes(words)).length;

test("an hour served as five minutes is told once, and believed", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: config(1) });
  await upstream.rules({ hour_as_5m: true });
  for (let i = 0; i < 3; i++) await ask(gateway, { ttl: "1h", messages: [{ role: "user", content: [text(long(`user ${i}`), "1h")] }] });
  await gateway.rows(3);
  assert.deepEqual(await anomalies(gateway), [["ttl_shortened"]]);
  assert.equal(told(gateway, "for 5 m where 1 h was asked"), 1, gateway.output);
});

test("thinking that another account made is left out: told once, in log and console", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: config(2) });
  await upstream.rules({ bound_thinking: true });
  const thought = `think ${"and so it goes on for a while ".repeat(80)} | text done`;
  const messages = [{ role: "user", content: `[[sim: ${thought}]]` }];
  // As clients do: the last message carries the marker.
  const marked = () => messages.map((message, i) => (i + 1 < messages.length ? message : { ...message, content: [text(message.content)] }));
  for (let turn = 0; turn < 2; turn++) {
    const answer = await ask(gateway, { messages: marked() });
    assert.ok(answer.content.some((block) => block.type === "thinking" && block.signature.length > 0), JSON.stringify(answer.content).slice(0, 200));
    messages.push({ role: "assistant", content: answer.content }, { role: "user", content: `[[sim: ${thought}]]` });
  }
  const home = (await upstream.state()).accounts.find((account) => account.requests > 0).name;
  // Home is down for a while: the conversation goes on elsewhere, without its thoughts.
  await upstream.fault({ account: home, kind: "status", status: 429, count: 20, retry_after: "60" });
  const away = await ask(gateway, { messages: marked() });
  messages.push({ role: "assistant", content: away.content }, { role: "user", content: "[[sim: text more]]" });
  await ask(gateway, { messages: marked() });
  const found = await until("the anomaly", async () => {
    const all = await anomalies(gateway);
    return all.some((names) => names.length > 0) ? all : null;
  });
  assert.deepEqual(found.flat(), ["thinking_dropped"]);
  assert.equal(told(gateway, "left out thinking that another account had made"), 1, gateway.output);
});
