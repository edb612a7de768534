// The ledger as a trace: what `warmpath export` writes of real requests, `warmpath simulate` replays.
import test from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { binary, masterKey, startGateway, startProvider } from "./support/processes.mjs";

const run = promisify(execFile);
const marker = { type: "ephemeral" };
const words = (name, times) => `${name} ${"Every word of this is part of the prompt. ".repeat(times)}`;

async function fleet(t, hashes) {
  const provider = await startProvider({ accounts: 2 });
  t.after(() => provider.stop());
  const models = provider.accounts
    .map((a) => `  - model_name: m\n    litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: ${a.api_key}, api_base: "${provider.url}"}\n`)
    .join("");
  const config =
    `general_settings: {master_key: ${masterKey}, store_prompt_hashes: ${hashes}}\n` +
    `router_settings: {optional_pre_call_checks: ["prompt_caching"]}\nmodel_list:\n${models}`;
  const gateway = await startGateway({ config });
  t.after(() => gateway.stop());
  return gateway;
}

async function talk(gateway, session, turns) {
  const messages = [];
  let usage;
  for (let turn = 0; turn < turns; turn++) {
    const text = words(`${session} turn ${turn}`, 40);
    messages.push({ role: "user", content: [{ type: "text", text }] });
    const body = structuredClone({
      model: "m",
      max_tokens: 20,
      system: [{ type: "text", text: words("the head of all", 600), cache_control: marker }],
      messages,
    });
    body.messages.at(-1).content[0].cache_control = marker;
    const answer = await gateway.post("/v1/messages", body, { "x-claude-code-session-id": session });
    assert.equal(answer.status, 200, await answer.clone().text());
    const message = await answer.json();
    messages.push({ role: "assistant", content: message.content });
    usage = message.usage;
  }
  return usage;
}

test("an export holds each prompt as what it adds to the session's previous one, and replays", async (t) => {
  const gateway = await fleet(t, true);
  for (const session of ["first-session", "second-session"]) await talk(gateway, session, 4);
  await gateway.rows(8);
  const { stdout } = await run(binary, ["export", "--state-dir", join(gateway.folder, "state")], { maxBuffer: 1 << 26 });
  assert.ok(!stdout.includes("Every word"), "no text");
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines[0].format, "prompt-trace");
  const requests = lines.filter((line) => line.in !== undefined);
  assert.equal(lines.filter((line) => line.conversation !== undefined).length, 2);
  assert.equal(requests.length, 8);
  const length = (r) => r.keep + r.add.reduce((sum, [, count]) => sum + count, 0);
  requests.forEach((r, i) => {
    assert.equal(r.keep, i % 4 === 0 ? 0 : length(requests[i - 1]), "each goes on from the one before");
    assert.equal(r.ends.at(-1), length(r));
  });
  // Both sessions share their head.
  assert.deepEqual(requests[0].add[0], requests[4].add[0]);

  const trace = join(gateway.folder, "own.jsonl");
  writeFileSync(trace, stdout);
  const args = ["simulate", "-q", "-n", "2", "-s", "2", "-p", "random,warmpath,infinite-5m", "--json", trace];
  const rows = JSON.parse((await run(binary, args)).stdout).rows;
  const of = (policy) => rows.find((row) => row.policy === policy);
  assert.ok(of("warmpath").cost_share <= of("infinite-5m").cost_share * 1.001);
  assert.ok(of("random").cost_share > of("warmpath").cost_share);
  assert.ok(of("warmpath").hit_rate > 0.7);
});

test("without the setting nothing is kept, and the export says how to change that", async (t) => {
  const gateway = await fleet(t, false);
  await talk(gateway, "quiet-session", 1);
  await gateway.rows(1);
  await assert.rejects(run(binary, ["export", "--state-dir", join(gateway.folder, "state")]), (error) => {
    assert.match(error.stderr, /store_prompt_hashes/);
    return error.code === 1;
  });
});
