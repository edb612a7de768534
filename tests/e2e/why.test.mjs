// Why a request went where it went: in the row's decision, in /metrics, in the log and the console.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model, masterKey } from "./support/processes.mjs";

const marker = { type: "ephemeral" };
const long = (name, times = 300) => `${name} ${"Every word of this is part of the prompt. ".repeat(times)}`;
const system = (name) => [{ type: "text", text: long(name), cache_control: marker }];
const user = (text, mark = true) => ({ role: "user", content: [{ type: "text", text, ...(mark ? { cache_control: marker } : {}) }] });
const ask = async (gateway, body, session = "session-of-why-tests") => {
  const answer = await gateway.post("/v1/messages", { model, max_tokens: 20, ...body }, { "x-claude-code-session-id": session });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
};
const decisions = async (gateway, count) => {
  const rows = await gateway.rows(count);
  return Promise.all(rows.map((row) => gateway.get(`/spend/logs/ui/${row.request_id}`)));
};

test("each row says what every candidate would have cost, and what was predicted against what came", async (t) => {
  const { gateway } = await startPair(t);
  await ask(gateway, { system: system("why"), messages: [user("one")] });
  await ask(gateway, { system: system("why"), messages: [user("one", false), { role: "assistant", content: "1" }, user("two")] });
  const [first, second] = await decisions(gateway, 2);
  for (const row of [first, second]) {
    assert.equal(row.decision.candidates.length, 2);
    for (const candidate of row.decision.candidates) {
      for (const key of ["predicted_read", "predicted_write", "predicted_uncached", "predicted_cost", "expected_cost", "confidence", "headroom", "in_flight"])
        assert.equal(typeof candidate[key], "number", key);
      assert.ok(candidate.reason && candidate.usable);
    }
    assert.equal(row.decision.candidates[0].model_id, row.model_id);
  }
  const [chosen, other] = second.decision.candidates;
  assert.equal(chosen.reason, "cache");
  assert.ok(chosen.predicted_read > 2000 && other.predicted_read === 0);
  assert.ok(chosen.expected_cost < other.expected_cost);
  // Predicted against real, token for token: the first answer measured the prefix.
  assert.equal(second.predicted_cache_read_tokens, second.cache_read_input_tokens);
  assert.equal(first.predicted_cache_read_tokens, 0);
  assert.equal(second.decision.divergence, undefined);
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: gateway.headers })).text();
  const sum = (name) => [...metrics.matchAll(new RegExp(`^${name}\\{.*\\} (\\S+)$`, "gm"))].reduce((total, match) => total + Number(match[1]), 0);
  assert.equal(sum("warmpath_predicted_cache_read_tokens_total"), second.cache_read_input_tokens);
  assert.equal(sum("warmpath_cache_read_tokens_total"), second.cache_read_input_tokens);
});

test("a prefix that should have been warm and missed: the first block that differs, never its text", async (t) => {
  const { gateway } = await startPair(t);
  const turn = [{ role: "assistant", content: "1" }, user("two")];
  await ask(gateway, { system: system("stays"), messages: [user("one")] }, "session-edited-history");
  await ask(gateway, { system: system("stays"), messages: [user("one!", false), ...turn] }, "session-edited-history");
  await ask(gateway, { system: system("before"), messages: [user("one")] }, "session-edited-system");
  await ask(gateway, { system: system("after"), messages: [user("one", false), ...turn] }, "session-edited-system");
  const rows = await decisions(gateway, 4);
  assert.deepEqual([rows[0], rows[2]].map((row) => row.decision.divergence), [undefined, undefined]);
  const [history, head] = [rows[1].decision.divergence, rows[3].decision.divergence];
  assert.equal(history.tier, "messages");
  assert.equal(history.index, 1);
  assert.equal(history.kind, "text");
  assert.equal(history.shared_blocks, 1);
  assert.ok(history.shared_tokens > 1000);
  assert.equal(head.tier, "system");
  assert.equal(head.index, 0);
  assert.ok(!JSON.stringify(rows.map((row) => row.decision)).includes("Every word"));
});

test("markers without effect are told once, in the log and in the console", async (t) => {
  // The gateway takes it for a model that caches from 1,024 tokens; it caches from 4,096.
  const config = (upstream) => `model_list:
  - model_name: ${model}
    litellm_params:
      model: anthropic/claude-opus-4-6
      api_base: ${upstream.url}
      api_key: ${upstream.accounts[0].api_key}
    model_info:
      base_model: claude-sonnet-4-5
general_settings:
  master_key: ${masterKey}
`;
  const { gateway } = await startPair(t, { config });
  const before = (await gateway.get("/ui/api/deployments")).data[0];
  assert.deepEqual(before.cache_anomalies, []);
  assert.ok(before.hit_odds === 1 && before.cache_domain.length === 12);
  for (const name of ["one", "two", "three"]) await ask(gateway, { system: system(name), messages: [user("short")] });
  await gateway.rows(3);
  const after = (await gateway.get("/ui/api/deployments")).data[0];
  assert.deepEqual(after.cache_anomalies, ["markers_stripped"]);
  const told = gateway.output.split("\n").filter((line) => line.includes("neither cache reads nor writes"));
  assert.equal(told.length, 1, gateway.output);
});

test("two keys of one workspace are one cache, as the answers' headers say", async (t) => {
  const config = (upstream) => `model_list:
${[0, 0, 1]
  .map(
    (account, i) => `  - model_name: group
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_base: ${upstream.url}${"/".repeat(i)}
      api_key: ${upstream.accounts[account].api_key}
`,
  )
  .join("")}general_settings:
  master_key: ${masterKey}
`;
  const { gateway } = await startPair(t, { config });
  const domains = async () => (await gateway.get("/ui/api/deployments")).data.map((entry) => entry.cache_domain);
  const apart = await domains();
  assert.equal(new Set(apart).size, 3, "other places, as far as the configuration tells");
  for (const { model_id } of (await gateway.get("/ui/api/deployments")).data)
    await ask(gateway, { model: model_id, system: system("workspace"), messages: [user("hello")] });
  const learnt = await domains();
  assert.equal(learnt[0], learnt[1]);
  assert.notEqual(learnt[0], learnt[2]);
  const rows = await gateway.rows(3);
  assert.equal(rows.filter((row) => row.cache_creation_input_tokens > 1000).length, 2, "the second key read what the first wrote");
  assert.equal(rows[1].predicted_cache_read_tokens >= 0, true);
});
