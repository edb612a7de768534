// GET /v1/models as Anthropic's API has it, with the names that a caller may ask for.
import test from "node:test";
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { startGateway, masterKey } from "./support/processes.mjs";

const deployment = (name, model, info = "") => `  - model_name: "${name}"
    litellm_params: {model: "${model}", api_key: sk-ant-api03-k, api_base: "http://127.0.0.1:9"}
${info}`;
const config = `model_list:
${deployment("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5")}${deployment("claude-opus-5", "anthropic/claude-opus-5")}${deployment("claude-opus-5", "anthropic/claude-opus-4-5")}${deployment("claude-away", "anthropic/claude-opus-5", "    model_info: {blocked: true}\n")}${deployment("team/any-*", "anthropic/claude-haiku-4-5")}${deployment("claude-of-tomorrow", "anthropic/claude-of-tomorrow-9")}
router_settings:
  model_group_alias:
    claude-short: claude-opus-5
    claude-hidden: {model: claude-opus-5, hidden: true}
    claude-gone: claude-away
general_settings:
  master_key: ${masterKey}
`;

const start = async (t) => {
  const gateway = await startGateway({ config });
  t.after(async () => {
    await gateway.stop();
    gateway.remove();
  });
  return gateway;
};
const usable = ["claude-sonnet-4-5", "claude-opus-5", "claude-of-tomorrow", "claude-short"];

test("Anthropic's shape, and only what can be used", async (t) => {
  const gateway = await start(t);
  const list = await gateway.get("/v1/models?limit=1000");
  assert.deepEqual(list.data.map((one) => one.id), usable);
  assert.equal(list.has_more, false);
  assert.equal(list.first_id, usable[0]);
  assert.equal(list.last_id, usable.at(-1));
  for (const one of list.data) {
    assert.equal(one.type, "model");
    assert.equal(one.display_name, one.id);
    assert.ok(Math.abs(Date.parse(one.created_at) - Date.now()) < 600000, one.created_at);
  }
  const facts = Object.fromEntries(list.data.map((one) => [one.id, [one.max_input_tokens, one.max_tokens]]));
  assert.deepEqual(facts["claude-sonnet-4-5"], [200000, 64000]);
  assert.deepEqual(facts["claude-opus-5"], [200000, 64000], "the least of its deployments");
  assert.deepEqual(facts["claude-of-tomorrow"], [undefined, undefined]);
});

test("pages as the SDKs turn them", async (t) => {
  const gateway = await start(t);
  const client = new Anthropic({ baseURL: gateway.url, apiKey: masterKey, maxRetries: 0 });
  for (const limit of [1, 2, 3, 4, 1000]) {
    const seen = [];
    for await (const one of client.models.list({ limit })) seen.push(one.id);
    assert.deepEqual(seen, usable, `limit ${limit}`);
  }
  const backwards = await gateway.get(`/v1/models?limit=2&before_id=${usable[3]}`);
  assert.deepEqual(backwards.data.map((one) => one.id), usable.slice(1, 3));
  assert.equal(backwards.has_more, true);
  const none = await gateway.get(`/v1/models?after_id=${usable[3]}`);
  assert.deepEqual([none.data, none.first_id, none.last_id, none.has_more], [[], null, null, false]);
  for (const query of ["limit=0", "limit=1001", "limit=x", "after_id=nope", "before_id=nope"]) {
    const answer = await fetch(`${gateway.url}/v1/models?${query}`, { headers: gateway.headers });
    assert.equal(answer.status, 400, query);
    assert.equal((await answer.json()).error.type, "invalid_request_error");
  }
});

test("one model: any name that a request may carry", async (t) => {
  const gateway = await start(t);
  const client = new Anthropic({ baseURL: gateway.url, apiKey: masterKey, maxRetries: 0 });
  for (const name of [...usable, "claude-hidden"]) assert.equal((await client.models.retrieve(name)).id, name);
  assert.equal((await gateway.get("/v1/models/team/any-thing")).id, "team/any-thing");
  for (const name of ["claude-away", "claude-gone", "nope"])
    await assert.rejects(client.models.retrieve(name), (error) => error.status === 404 && /model: /.test(error.message));
});
