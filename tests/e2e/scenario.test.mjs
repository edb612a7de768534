// The main job: Claude Code over two Bedrock accounts, each request where its prompt cache is warm.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";

const script = (steps) => `[[sim: ${steps}]]`;

function succeeded(run) {
  assert.equal(run.code, 0, run.out + run.err);
  assert.equal(run.result?.is_error, false, run.out);
}

const received = (state) => state.accounts.map((account) => account.received);

test("a relaunch with another prompt reads what the first start wrote, on the same deployment", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const place = makeHome();
  t.after(place.remove);

  succeeded(await runClaude(gateway, place, "say hello"));
  const first = await gateway.rows(1);
  succeeded(await runClaude(gateway, place, "an entirely different question, please"));
  const rows = await gateway.rows(first.length + 1);
  const again = rows.slice(first.length);

  assert.ok(first.some((row) => row.cache_creation_input_tokens > 1000), JSON.stringify(first, null, 1));
  const written = first.find((row) => row.cache_creation_input_tokens > 1000);
  assert.equal(written.cache_read_input_tokens, 0);
  const read = again.find((row) => row.cache_read_input_tokens > 1000);
  assert.ok(read, JSON.stringify(again, null, 1));
  assert.equal(read.model_id, written.model_id);
  assert.equal(new Set(rows.map((row) => row.model_id)).size, 1, "one deployment took everything");
  for (const row of rows) {
    assert.equal(row.status, "success");
    assert.equal(row.model_group, model);
  }

  const perAccount = received(await upstream.state());
  assert.equal(perAccount.filter((list) => list.length > 0).length, 1, "one account saw everything");
  const mine = perAccount.find((list) => list.length > 0);
  assert.equal(mine.length, rows.length);
  for (const [i, row] of rows.entries()) {
    assert.equal(mine[i].usage.cache_read_input_tokens, row.cache_read_input_tokens);
    assert.equal(
      mine[i].usage.cache_creation_5m_input_tokens + mine[i].usage.cache_creation_1h_input_tokens,
      row.cache_creation_input_tokens,
    );
    assert.ok(!mine[i].body.includes("x-anthropic-billing-header"), "the billing block stays here");
  }
});

test("a session with tool use reads its growing prefix turn after turn", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const place = makeHome();
  t.after(place.remove);
  const steps = [1, 2, 3, 4, 5].map((n) => `Bash {"command":"echo turn ${n}"}`).join("; ");

  succeeded(await runClaude(gateway, place, `work ${script(`${steps}; text done`)}`, { args: ["--allowedTools", "Bash"] }));
  const rows = (await gateway.rows(6)).filter((row) => row.session_id);
  assert.ok(rows.length >= 6);
  assert.equal(new Set(rows.map((row) => row.model_id)).size, 1);
  const turns = rows.slice(-6);
  for (let i = 1; i < turns.length; i++) {
    const before = turns[i - 1].cache_read_input_tokens + turns[i - 1].cache_creation_input_tokens;
    assert.equal(turns[i].cache_read_input_tokens, before, `turn ${i} reads all that turn ${i - 1} read and wrote`);
    assert.ok(turns[i].cache_creation_input_tokens > 0);
    assert.equal(turns[i].predicted_cache_read_tokens, turns[i].cache_read_input_tokens, "the forecast is exact");
  }
  const state = await upstream.state();
  assert.equal(state.accounts.filter((account) => account.requests > 0).length, 1);
});

test("subagents and their parent keep reading", async (t) => {
  const { gateway } = await startPair(t);
  const place = makeHome();
  t.after(place.remove);
  const agent = (n) =>
    `Agent {"description":"look ${n}","prompt":"task ${n}","subagent_type":"general-purpose"}`;
  succeeded(
    await runClaude(gateway, place, script(`${agent(1)} | ${agent(2)}; ${agent(3)}; text done`), {
      args: ["--allowedTools", "Agent,Task,Bash"],
    }),
  );
  const rows = await gateway.rows(6);
  const agents = rows.filter((row) => row.agent_id);
  assert.ok(agents.length >= 3, JSON.stringify(rows.map((row) => row.agent_id)));
  assert.equal(new Set(rows.map((row) => row.session_id)).size, 1);
  const last = rows.at(-1);
  assert.ok(last.cache_read_input_tokens > 1000, "the parent reads on after its subagents");
  // The third subagent starts when the first two are done: tools and system are there to be read.
  assert.ok(agents.at(-1).cache_read_input_tokens > 1000, JSON.stringify(agents, null, 1));
});

test("two people at once, each on a deployment whose cache is theirs", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const places = [makeHome(), makeHome()];
  t.after(() => places.forEach((place) => place.remove()));
  const steps = [1, 2, 3].map((n) => `Bash {"command":"echo ${n}"}`).join("; ");
  const runs = await Promise.all(
    places.map((place, i) =>
      runClaude(gateway, place, `person ${i} ${script(`${steps}; text done`)}`, { args: ["--allowedTools", "Bash"] }),
    ),
  );
  runs.forEach(succeeded);
  const rows = await gateway.rows(8);
  const sessions = bySession(rows);
  assert.equal(sessions.size, 2);
  for (const list of sessions.values()) {
    const turns = list.slice(-4);
    assert.equal(new Set(turns.map((row) => row.model_id)).size, 1, "a session stays");
    for (const turn of turns.slice(1)) assert.ok(turn.cache_read_input_tokens > 1000);
  }
  assert.equal((await upstream.state()).unauthorized, 0);
});

function bySession(rows) {
  const out = new Map();
  for (const row of rows) out.set(row.session_id, [...(out.get(row.session_id) ?? []), row]);
  return out;
}
