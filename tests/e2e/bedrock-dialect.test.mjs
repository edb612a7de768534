// Clients that speak Bedrock's own dialect: Claude Code in Bedrock mode and the official SDK.
import test from "node:test";
import assert from "node:assert/strict";
import AnthropicBedrock from "@anthropic-ai/bedrock-sdk";
import { startPair, model, masterKey, until } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";

const bedrockEnv = (gateway) => ({
  CLAUDE_CODE_USE_BEDROCK: "1",
  ANTHROPIC_BEDROCK_BASE_URL: gateway.url,
  AWS_BEARER_TOKEN_BEDROCK: masterKey,
  AWS_REGION: "us-west-2",
  ANTHROPIC_BASE_URL: "",
  ANTHROPIC_AUTH_TOKEN: "",
});

// An Anthropic deployment behind the same front.
const anthropicConfig = (upstream) => `
model_list:
  - model_name: ${model}
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: ${upstream.accounts[0].api_key}
      api_base: ${upstream.url}
general_settings:
  master_key: ${masterKey}
`;

for (const [name, config] of Object.entries({ Bedrock: null, Anthropic: anthropicConfig })) {
  test(`Claude Code in Bedrock mode over ${name} deployments`, async (t) => {
    const { gateway } = await startPair(t, { config });
    const place = makeHome();
    t.after(place.remove);
    const prompt = '[[sim: Bash {"command":"echo one"}; Bash {"command":"echo two"}; text done]]';
    const run = await runClaude(gateway, place, prompt, { args: ["--allowedTools", "Bash"], env: bedrockEnv(gateway) });
    assert.equal(run.code, 0, run.out + run.err + gateway.output);
    assert.equal(run.result.result, "done");
    // At its start the client probes models that are not configured here: those get a 404 each.
    const turns = await until("three turns in the log", async () => {
      const rows = (await gateway.logs()).data.filter((row) => row.prompt_tokens > 1000);
      return rows.length >= 3 ? rows.reverse() : null;
    });
    assert.ok(turns.every((row) => row.call_type === "bedrock_invoke" && row.status === "success"));
    assert.equal(turns[0].cache_read_input_tokens, 0);
    for (const [i, turn] of turns.slice(1).entries())
      assert.equal(turn.cache_read_input_tokens, turns[i].cache_read_input_tokens + turns[i].cache_creation_input_tokens);
  });

  test(`the Bedrock SDK over ${name} deployments`, async (t) => {
    const { gateway, upstream } = await startPair(t, { config });
    const client = new AnthropicBedrock({
      baseURL: gateway.url,
      awsRegion: "us-west-2",
      awsAccessKey: "unused",
      awsSecretKey: "unused",
      maxRetries: 0,
      defaultHeaders: { "x-api-key": masterKey },
    });
    const ask = { model, max_tokens: 100, messages: [{ role: "user", content: "hello" }] };
    const message = await client.messages.create(ask);
    assert.equal(message.type, "message");
    const events = [];
    for await (const event of await client.messages.create({
      ...ask,
      stream: true,
      messages: [{ role: "user", content: "[[sim: think hm | text one two three]]" }],
    }))
      events.push(event.type);
    assert.equal(events[0], "message_start");
    assert.equal(events.at(-1), "message_stop");
    await assert.rejects(client.messages.create({ ...ask, model: "nope" }), (error) => error.status === 404 && /configured/.test(error.message));
    await upstream.fault({ account: "*", kind: "status", status: 429, count: 50, type: "ThrottlingException" });
    await assert.rejects(client.messages.create(ask), (error) => error.status === 429);
  });
}

test("the raw dialect: inference profiles, token counts, AWS error bodies, ARNs", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const profiles = await gateway.get("/inference-profiles?type=SYSTEM_DEFINED");
  assert.equal(profiles.inferenceProfileSummaries[0].inferenceProfileId, model);
  const arn = encodeURIComponent(profiles.inferenceProfileSummaries[0].inferenceProfileArn);
  assert.equal((await gateway.get(`/inference-profiles/${arn}`)).inferenceProfileId, model);
  const inner = { anthropic_version: "bedrock-2023-05-31", max_tokens: 10, messages: [{ role: "user", content: "hello there" }] };
  const body = Buffer.from(JSON.stringify(inner)).toString("base64");
  const counted = await (await gateway.post(`/model/${model}/count-tokens`, { input: { invokeModel: { body } } })).json();
  assert.ok(counted.inputTokens > 0);
  for (const path of [`/model/${model}/invoke`, `/model/${encodeURIComponent(model)}/invoke`])
    assert.equal((await gateway.post(path, inner)).status, 200, path);
  const bad = await gateway.post(`/model/${model}/invoke`, "{");
  assert.equal(bad.status, 400);
  assert.equal(bad.headers.get("x-amzn-errortype"), "ValidationException");
  assert.ok((await bad.json()).message);
  const unknown = await gateway.post(`/model/${encodeURIComponent("arn:aws:bedrock:us-west-2:1:inference-profile/x")}/invoke`, inner);
  assert.equal(unknown.status, 404);
  const denied = await fetch(`${gateway.url}/model/${model}/invoke`, { method: "POST", body: JSON.stringify(inner) });
  assert.equal(denied.status, 401);
  assert.equal(denied.headers.get("x-amzn-errortype"), "UnrecognizedClientException");
  assert.equal((await gateway.post(`/model/${model}/other`, inner)).status, 404);
  await upstream.fault({ account: "*", kind: "exception", count: 5, after_events: 4, type: "throttlingException" });
  const stream = await gateway.post(`/model/${model}/invoke-with-response-stream`, { ...inner, messages: [{ role: "user", content: "[[sim: long 20]]" }] });
  assert.equal(stream.headers.get("content-type"), "application/vnd.amazon.eventstream");
  const bytes = Buffer.from(await stream.arrayBuffer()).toString("latin1");
  assert.match(bytes, /exception/);
});
