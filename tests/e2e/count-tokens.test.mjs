// Counting tokens: by the platform's own call; by an estimate where it has none, without a word against
// the deployment, and never by a billed request.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model, masterKey, until } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";
import { modes } from "./support/modes.mjs";
import { platforms } from "./support/platforms.mjs";

const count = (gateway, extra = {}) => gateway.post("/v1/messages/count_tokens", { model, messages: [{ role: "user", content: "count me" }], ...extra });
const say = (gateway) => gateway.post("/v1/messages", { model, max_tokens: 5, messages: [{ role: "user", content: "hi" }] });

for (const [platform, configure] of Object.entries(platforms)) {
  test(`${platform}: a count that the platform does not answer`, async (t) => {
    const { gateway, upstream } = await startPair(t, { config: configure(model) });
    for (const status of [403, 404, 405, 429, 500, 501, 503]) {
      await upstream.reset(false);
      const ids = new Set();
      await upstream.fault({ account: "*", kind: "status", status, count: 60, message: "not here" });
      for (let i = 0; i < 6; i++) {
        const answer = await count(gateway);
        assert.equal(answer.status, 200, `${status}: ${await answer.clone().text()}`);
        assert.ok((await answer.json()).input_tokens > 0);
        ids.add(answer.headers.get("x-litellm-call-id"));
      }
      await upstream.reset(false);
      const counts = await until("the rows of the counts", async () => {
        const rows = (await gateway.logs()).data.filter((row) => ids.has(row.request_id));
        return rows.length === 6 ? rows : null;
      });
      assert.ok(counts.every((row) => row.estimated && row.status === "success"), `${status}`);
      const message = await say(gateway);
      assert.equal(message.status, 200, `${status}: ${await message.clone().text()}`);
    }
    const health = await gateway.get("/health");
    assert.deepEqual([health.healthy_count, health.unhealthy_count], [2, 0]);
    await upstream.reset(false);
    await upstream.fault({ account: "*", kind: "status", status: 400, count: 60, message: "messages: at least one is required" });
    assert.equal((await count(gateway)).status, 400, "the client's to mend");
  });

  test(`${platform}: Claude Code's /context makes no billed request`, async (t) => {
    const { gateway, upstream } = await startPair(t, { config: configure(model) });
    for (const here of [true, false]) {
      await upstream.reset(false);
      if (!here) await upstream.fault({ account: "*", kind: "status", status: 404, count: 60, message: "not here" });
      const before = (await gateway.logs()).total;
      const place = makeHome();
      t.after(place.remove);
      const run = await runClaude(gateway, place, "/context", { env: modes.messages({ url: gateway.url, key: masterKey, model }) });
      assert.equal(run.result?.is_error, false, run.out + run.err);
      const rows = (await gateway.rows(before + 5)).slice(before);
      assert.ok(rows.length >= 5, `${rows.length} counts`);
      assert.ok(rows.every((row) => row.call_type === "count_tokens" && row.status === "success"), JSON.stringify(rows.map((row) => [row.call_type, row.http_status])));
      assert.ok(rows.every((row) => row.estimated === !here));
    }
  });
}

test("no deployment is up: still an estimate, so that the client does not ask for it with billed requests", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await upstream.fault({ account: "*", kind: "status", status: 503, count: 60, type: "ServiceUnavailableException", contains: '"hi"' });
  for (let i = 0; i < 3; i++) assert.ok((await say(gateway)).status >= 429);
  const answer = await count(gateway);
  assert.equal(answer.status, 200);
  assert.ok((await answer.json()).input_tokens > 0);
});
