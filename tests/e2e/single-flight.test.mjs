// Concurrent requests with one cold prefix: one writes, the others wait for it and read.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model } from "./support/processes.mjs";

const system = (text) => [
  { type: "text", text: `${text} ${"All of this is shared by everybody who asks. ".repeat(400)}`, cache_control: { type: "ephemeral" } },
];
const ask = (gateway, head, question) =>
  gateway
    .post("/v1/messages", {
      model,
      max_tokens: 20,
      stream: true,
      system: system(head),
      messages: [{ role: "user", content: question }],
    })
    .then(async (answer) => ({ status: answer.status, text: await answer.text() }));

test("a fan-out of sixteen pays one write", async (t) => {
  const { gateway, upstream } = await startPair(t, { provider: { ttftMs: 300 } });
  const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => ask(gateway, "fan-out", `question ${i}`)));
  assert.ok(answers.every((answer) => answer.status === 200 && answer.text.includes("message_stop")));
  const rows = await gateway.rows(16);
  const writers = rows.filter((row) => row.cache_creation_input_tokens > 1000);
  assert.equal(writers.length, 1, "one write");
  assert.equal(rows.filter((row) => row.cache_read_input_tokens > 1000).length, 15);
  assert.equal(new Set(rows.map((row) => row.model_id)).size, 1);
  for (const row of rows) assert.ok(row.overhead_us < 200000, `waiting is not overhead: ${row.overhead_us}`);
  const reader = rows.find((row) => row.cache_read_input_tokens > 1000);
  const { decision } = await gateway.get(`/spend/logs/ui/${reader.request_id}`);
  assert.ok(decision.waited_ms >= 100, JSON.stringify(decision));
  const state = await upstream.state();
  assert.equal(state.accounts.filter((a) => a.requests > 0).length, 1);
});

test("different prefixes never wait for each other", async (t) => {
  const { gateway } = await startPair(t, { provider: { ttftMs: 800 } });
  const begun = Date.now();
  await Promise.all(Array.from({ length: 6 }, (_, i) => ask(gateway, `head ${i}`, "question")));
  assert.ok(Date.now() - begun < 1500, `${Date.now() - begun} ms`);
});

test("when the leader fails the next one leads, and nobody is left waiting", async (t) => {
  const { gateway, upstream } = await startPair(t, { provider: { ttftMs: 200 } });
  await upstream.fault({ account: "*", kind: "status", status: 400, count: 1, message: "a refusal", type: "ValidationException" });
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(gateway, "leader", `question ${i}`)));
  const refused = answers.filter((answer) => answer.status === 400).length;
  assert.ok(refused >= 1 && refused <= 2, JSON.stringify(answers.map((a) => a.status)));
  assert.equal(answers.filter((answer) => answer.status === 200).length, 8 - refused);
  const rows = await gateway.rows(8);
  assert.equal(rows.filter((row) => row.cache_creation_input_tokens > 1000).length, 1);
});

test("a waiting client that leaves is dropped from the queue", async (t) => {
  const { gateway } = await startPair(t, { provider: { ttftMs: 700 } });
  const leader = ask(gateway, "leaves", "first");
  await new Promise((done) => setTimeout(done, 150));
  const controller = new AbortController();
  const waiting = fetch(`${gateway.url}/v1/messages`, {
    method: "POST",
    signal: controller.signal,
    headers: { ...gateway.headers, "content-type": "application/json" },
    body: JSON.stringify({ model, max_tokens: 20, system: system("leaves"), messages: [{ role: "user", content: "second" }] }),
  }).catch((error) => error.name);
  await new Promise((done) => setTimeout(done, 150));
  controller.abort();
  assert.equal(await waiting, "AbortError");
  assert.equal((await leader).status, 200);
  const rows = await gateway.rows(2);
  assert.equal(rows.filter((row) => row.status === "success").length, 1);
  assert.equal(rows.find((row) => row.status !== "success").http_status, 499);
});
