// Facts about models and platforms are data: an operator's files change them, and what a model lacks
// is adapted behind an alias. With the real Claude Code.
import test from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startGateway, startPair, startProvider, masterKey, binary, untilSaid } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";
import { modes } from "./support/modes.mjs";
import { platforms } from "./support/platforms.mjs";

const deployment = (name, model, upstream, more = "") => `  - model_name: ${name}
    litellm_params:
      model: ${model}
      api_base: ${upstream.url}
      api_key: ${upstream.accounts[0].api_key}
${more}`;
const config = (list, general = "") => `model_list:\n${list}general_settings:\n  master_key: ${masterKey}\n${general}`;

async function start(t, configure, provider = { accounts: 1 }) {
  const upstream = await startProvider(provider);
  const gateway = await startGateway({ config: configure(upstream) });
  t.after(async () => {
    await gateway.stop();
    gateway.remove();
    await upstream.stop();
  });
  return { upstream, gateway };
}

const received = async (upstream) => (await upstream.state()).accounts[0].received.map((row) => ({ ...row, json: JSON.parse(row.body) }));

// A name that the client does not know makes it ask as it would a current model: adaptive thinking,
// effort, system messages.
for (const [platform, configure] of Object.entries(platforms))
  test(`Claude Code asks an alias; the body fits the older model: ${platform}`, async (t) => {
    const { gateway, upstream } = await startPair(t, { config: configure("team-claude") });
    const place = makeHome();
    t.after(place.remove);
    const env = modes.messages({ url: gateway.url, key: masterKey, model: "team-claude" });
    const run = await runClaude(gateway, place, '[[sim: Bash {"command":"echo one"}; text done]]', { args: ["--allowedTools", "Bash"], env });
    assert.equal(run.result?.result, "done", run.out + run.err + JSON.stringify((await gateway.logs()).data.map((row) => row.error_message)));
    const state = await upstream.state();
    const rows = state.accounts.flatMap((account) => account.received).filter((row) => row.body.includes("[[sim:"));
    assert.ok(rows.length >= 2);
    for (const { body } of rows) {
      const json = JSON.parse(body);
      assert.equal(json.thinking?.type, "enabled");
      assert.equal(json.output_config, undefined);
      assert.ok(json.messages.every((message) => message.role !== "system"));
    }
    const [row] = (await gateway.rows(2)).filter((one) => one.status === "success");
    const { dropped } = await gateway.get(`/spend/logs/ui/${row.request_id}`);
    for (const what of ["thinking:adaptive", "role:system"]) assert.ok(dropped.includes(what), `${what} in ${dropped}`);
  });

test("an effort that the model does not take becomes the next lower one; toward Anthropic only behind an alias", async (t) => {
  const { gateway, upstream } = await start(t, (up) =>
    config(deployment("claude-opus-4-6", "anthropic/claude-opus-4-6", up) + deployment("team", "anthropic/claude-opus-4-6", up) + deployment("bare", "anthropic/claude-sonnet-4-5", up)),
  );
  for (const model of ["claude-opus-4-6", "team", "bare"])
    await gateway.post("/v1/messages", { model, max_tokens: 5, output_config: { effort: "xhigh" }, messages: [{ role: "user", content: model }] });
  const sent = Object.fromEntries((await received(upstream)).map(({ json }) => [json.messages[0].content, json.output_config]));
  assert.deepEqual(sent["claude-opus-4-6"], { effort: "xhigh" });
  assert.deepEqual(sent.team, { effort: "high" });
  assert.equal(sent.bare, undefined);
});

test("an unknown model: a warning at the start, a conservative price, and Claude Code works", async (t) => {
  const { gateway } = await start(t, (up) => config(deployment("team-claude", "anthropic/claude-of-tomorrow-9", up)));
  await untilSaid(gateway, /no price is known for claude-of-tomorrow-9: a conservative one is used/);
  const place = makeHome();
  t.after(place.remove);
  const run = await runClaude(gateway, place, "[[sim: text hello]]", { env: modes.messages({ url: gateway.url, key: masterKey, model: "team-claude" }) });
  assert.equal(run.result?.result, "hello", run.out + run.err);
  // The simulated model refuses system messages: the client's own recovery asks again without.
  const [refused, row] = await gateway.rows(2);
  assert.match(refused.error_message, /role 'system' is not supported/);
  assert.ok(row.spend > 0 && row.spend >= (row.prompt_tokens * 5 * 0.1) / 1e6, `${row.spend} for ${row.prompt_tokens}`);
});

const tables = (folder) => {
  const models = join(folder, "models.json"), betas = join(folder, "betas.json");
  const priced = (input) =>
    writeFileSync(models, JSON.stringify({ date: "2026-11-28", models: { "claude-of-tomorrow-9": { price: { input, output: 2 * input }, can: { effort: ["low"] } } } }));
  return { models, betas, priced };
};

test("operator's files on top of the tables, read again with the configuration", async (t) => {
  const folder = makeHome();
  t.after(folder.remove);
  const { models, betas, priced } = tables(folder.home);
  priced(1000);
  writeFileSync(betas, JSON.stringify({ platforms: { azure: { betas: { "a-beta-of-tomorrow": "another-name" }, fields: { odd: false } } } }));
  const { gateway, upstream } = await start(t, (up) =>
    config(deployment("m", "azure_ai/claude-of-tomorrow-9", up), `  models_file: ${models}\n  betas_file: ${betas}\n`),
  );
  const ask = (extra = {}) =>
    gateway.post("/v1/messages", { model: "m", max_tokens: 5, output_config: { effort: "high" }, odd: 1, messages: [{ role: "user", content: "hi" }] }, { "anthropic-beta": "a-beta-of-tomorrow", ...extra });
  assert.equal((await ask()).status, 200);
  const [{ json, betas: sent }] = await received(upstream);
  assert.equal(sent, "another-name");
  assert.equal(json.odd, undefined);
  assert.deepEqual(json.output_config, { effort: "low" });
  const [first] = await gateway.rows(1);
  assert.ok(first.spend >= (first.prompt_tokens * 1000) / 1e6);
  assert.ok(!/no price is known/.test(gateway.output));

  priced(2000);
  gateway.child.kill("SIGHUP");
  await untilSaid(gateway, /reloaded/);
  assert.equal((await ask()).status, 200);
  const [, second] = await gateway.rows(2);
  assert.ok(Math.abs(second.spend / first.spend - 2) < 0.01, `${first.spend} then ${second.spend}`);

  // A broken file changes nothing.
  writeFileSync(models, "{");
  gateway.child.kill("SIGHUP");
  await untilSaid(gateway, /the old configuration stays: .*models\.json/);
  assert.equal((await ask()).status, 200);
  const [, , third] = await gateway.rows(3);
  assert.equal(third.spend, second.spend);
  const checked = spawnSync(binary, ["check", gateway.file], { encoding: "utf8", env: { PATH: process.env.PATH } });
  assert.equal(checked.status, 1);
  assert.match(checked.stderr, /models_file, betas_file: .*models\.json/);
});

test("options come before the configuration's files; a file that is not there stops the start", async (t) => {
  const folder = makeHome();
  t.after(folder.remove);
  const { models, priced } = tables(folder.home);
  priced(1000);
  const upstream = await startProvider({ accounts: 1 });
  t.after(() => upstream.stop());
  const missing = config(deployment("m", "anthropic/claude-of-tomorrow-9", upstream), "  models_file: /no/such/file.json\n");
  const gateway = await startGateway({ config: missing, args: ["--models", models] });
  t.after(async () => {
    await gateway.stop();
    gateway.remove();
  });
  assert.equal((await gateway.post("/v1/messages", { model: "m", max_tokens: 5, messages: [{ role: "user", content: "hi" }] })).status, 200);
  const [row] = await gateway.rows(1);
  assert.ok(row.spend >= (row.prompt_tokens * 1000) / 1e6);
  await assert.rejects(startGateway({ config: missing }), /\/no\/such\/file\.json cannot be read/);
});
