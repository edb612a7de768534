// Every kind of client in front of every platform: Claude Code in each of its modes, and the official
// SDKs, each speaking what it would speak to its own platform. Fills a table of docs/platforms.md.
import test, { describe } from "node:test";
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import AnthropicBedrock, { AnthropicBedrockMantle } from "@anthropic-ai/bedrock-sdk";
import AnthropicFoundry from "@anthropic-ai/foundry-sdk";
import AnthropicVertex from "@anthropic-ai/vertex-sdk";
import { startPair, model, masterKey, until } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";
import { modes } from "./support/modes.mjs";
import { matrix } from "./support/matrix.mjs";
import { platforms } from "./support/platforms.mjs";
import { runPython } from "./support/python.mjs";

const claude = {
  "Claude Code": "messages",
  "Claude Code, Bedrock mode": "bedrock",
  "Claude Code, Bedrock mantle mode": "mantle",
  "Claude Code, Claude Platform on AWS mode": "aws",
  "Claude Code, Vertex AI mode": "vertex",
  "Claude Code, Foundry mode": "foundry",
};

// A client of the SDK for Vertex AI takes its headers from Google's library: here from the test.
const google = { projectId: "a-project", getRequestHeaders: async () => new Headers({ authorization: `Bearer ${masterKey}` }) };
const aws = { awsRegion: "us-west-2", maxRetries: 0 };
const typescript = {
  Anthropic: (url) => new Anthropic({ baseURL: url, apiKey: masterKey, maxRetries: 0 }),
  AnthropicBedrock: (url) =>
    new AnthropicBedrock({ baseURL: url, awsAccessKey: "unused", awsSecretKey: "unused", defaultHeaders: { "x-api-key": masterKey }, ...aws }),
  AnthropicBedrockMantle: (url) => new AnthropicBedrockMantle({ baseURL: `${url}/anthropic`, apiKey: masterKey, ...aws }),
  AnthropicVertex: (url) => new AnthropicVertex({ baseURL: `${url}/v1`, region: "us-east5", projectId: "a-project", authClient: google, maxRetries: 0 }),
  AnthropicFoundry: (url) => new AnthropicFoundry({ baseURL: `${url}/anthropic`, apiKey: masterKey, maxRetries: 0 }),
};
const python = ["Anthropic", "AnthropicBedrock", "AnthropicBedrockMantle", "AnthropicAWS", "AnthropicVertex", "AnthropicGoogleCloud", "AnthropicFoundry", "boto3"];
const names = {
  claude: (name) => `${name}: tool loop, cache`,
  typescript: (name) => `TypeScript ${name}`,
  python: (name) => `Python ${name}`,
};

const { passed, check } = matrix("clients", Object.keys(platforms), [
  ...Object.keys(claude).map(names.claude),
  ...Object.keys(typescript).map(names.typescript),
  ...python.map(names.python),
]);

// What is common to the SDKs; those of Bedrock cannot count tokens.
async function exercise(name, client) {
  const hello = { model, max_tokens: 100, messages: [{ role: "user", content: "hello" }] };
  const script = { ...hello, messages: [{ role: "user", content: '[[sim: think hm | lookup {"q":"ä \\"quoted\\" 😀"}]]' }] };
  const message = await client.messages.create(hello);
  assert.equal(message.type, "message");
  assert.equal(message.model, model);
  const final = await client.messages.stream(script).finalMessage();
  assert.deepEqual(final.content.map((block) => block.type), ["thinking", "tool_use"]);
  assert.deepEqual(final.content[1].input, { q: 'ä "quoted" 😀' });
  await assert.rejects(client.messages.create({ ...hello, model: "nope" }), (error) => error.status === 404);
  if (name !== "AnthropicBedrock") assert.ok((await client.messages.countTokens({ model, messages: hello.messages })).input_tokens > 0);
}

describe("every client over every platform", { concurrency: 3 }, () => {
  for (const [platform, configure] of Object.entries(platforms)) {
    test(`Claude Code over ${platform}`, async (t) => {
      const { gateway, upstream } = await startPair(t, { config: configure(model) });
      for (const [name, mode] of Object.entries(claude)) {
        const place = makeHome();
        t.after(place.remove);
        const before = (await gateway.logs()).total;
        const env = modes[mode]({ url: gateway.url, key: masterKey, model });
        const run = await runClaude(gateway, place, `[[sim: Bash {"command":"echo one"}; text done in ${mode} mode]]`, { args: ["--allowedTools", "Bash"], env });
        assert.equal(run.result?.result, `done in ${mode} mode`, `${name}: ${run.out}${run.err}`);
        const turns = await until(`two turns of ${name}`, async () => {
          const page = await gateway.logs();
          const rows = page.data.slice(0, page.total - before).filter((row) => row.prompt_tokens > 1000 && row.status === "success");
          return rows.length >= 2 ? rows.reverse() : null;
        });
        assert.ok(turns[1].cache_read_input_tokens > 1000, name);
        assert.equal(turns[1].session_id, turns[0].session_id, name);
        passed(names.claude(name), platform);
      }
      assert.equal((await upstream.state()).unauthorized, 0);
    });

    test(`the TypeScript SDKs over ${platform}`, async (t) => {
      const { gateway } = await startPair(t, { config: configure(model) });
      for (const [name, make] of Object.entries(typescript)) {
        await exercise(name, make(gateway.url)).catch((error) => {
          throw new Error(`${name}: ${error.message}`, { cause: error });
        });
        passed(names.typescript(name), platform);
      }
    });

    test(`the Python SDKs over ${platform}`, async (t) => {
      const { gateway } = await startPair(t, { config: configure(model) });
      const seen = await runPython("clients.py", { env: { GATEWAY: gateway.url, KEY: masterKey, MODEL: model } });
      assert.deepEqual(seen.passed, python);
      for (const name of seen.passed) passed(names.python(name), platform);
    });
  }
});

// Where users of LiteLLM point Claude Code today.
test("the mounts of LiteLLM's pass-through", async (t) => {
  const { gateway } = await startPair(t);
  for (const [mode, mount, type] of [
    ["messages", "/anthropic", "anthropic_messages"],
    ["bedrock", "/bedrock", "bedrock_invoke"],
    ["vertex", "/vertex_ai", "vertex_raw_predict"],
  ]) {
    const place = makeHome();
    t.after(place.remove);
    const run = await runClaude(gateway, place, `[[sim: text below ${mount}]]`, { env: modes[mode]({ url: gateway.url + mount, key: masterKey, model }) });
    assert.equal(run.result?.result, `below ${mount}`, run.out + run.err);
    await until(`a row of ${type}`, async () => (await gateway.logs()).data.some((row) => row.call_type === type && row.status === "success"));
  }
  assert.equal((await gateway.get("/anthropic/v1/models")).data[0].id, model);
  assert.equal((await gateway.get("/bedrock/inference-profiles")).inferenceProfileSummaries[0].inferenceProfileId, model);
  const arn = encodeURIComponent(`arn:aws:bedrock:us-west-2:123456789012:inference-profile/${model}`);
  assert.equal((await gateway.get(`/bedrock/inference-profiles/${arn}`)).inferenceProfileId, model);
  const body = { anthropic_version: "bedrock-2023-05-31", max_tokens: 5, messages: [{ role: "user", content: "hello" }] };
  for (const path of [`/bedrock/model/${encodeURIComponent(model)}/invoke`, `/vertex_ai/projects/p/locations/l/publishers/anthropic/models/${model}:rawPredict`])
    assert.equal((await gateway.post(path, body)).status, 200, path);
});

test("Vertex AI's dialect: keys, names and refusals", async (t) => {
  const { gateway } = await startPair(t);
  const at = (name, method) => `/v1/projects/p/locations/l/publishers/anthropic/models/${name}:${method}`;
  const body = { anthropic_version: "vertex-2023-10-16", max_tokens: 5, messages: [{ role: "user", content: "hello" }] };
  // A key as Google's and Azure's clients name it.
  for (const headers of [{ "x-goog-api-key": masterKey }, { "api-key": masterKey }, { authorization: "Bearer ya29.google", "x-litellm-api-key": masterKey }]) {
    const answer = await gateway.post(at(model, "rawPredict"), body, { authorization: "", ...headers });
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal((await answer.json()).model, model);
  }
  const wrong = await gateway.post(at(model, "rawPredict"), body, { authorization: "Bearer ya29.google" });
  assert.equal(wrong.status, 401);
  assert.equal((await wrong.json()).error.type, "authentication_error");
  assert.equal((await gateway.post(at("nope", "rawPredict"), body)).status, 404);
  for (const path of [at(model, "predict"), at("a/b", "rawPredict"), "/v1/projects/p/locations/l/publishers/google/models/x:rawPredict", "/v1/projects/p"])
    assert.equal((await gateway.post(path, body)).status, 404, path);
  assert.equal((await fetch(gateway.url + at(model, "rawPredict"), { headers: gateway.headers })).status, 405);
  const counted = await gateway.post(at("count-tokens", "rawPredict"), { ...body, model });
  assert.ok((await counted.json()).input_tokens > 0);
  const stream = await gateway.post(at(model, "streamRawPredict"), { ...body, stream: true });
  assert.match(stream.headers.get("content-type"), /^text\/event-stream/);
  assert.match(await stream.text(), /event: message_stop/);
});

test("docs/platforms.md shows what this run has shown", check);
