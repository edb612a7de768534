// The official Anthropic SDK against the gateway.
import test from "node:test";
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { startPair, model, masterKey } from "./support/processes.mjs";

const client = (gateway, extra = {}) => new Anthropic({ baseURL: gateway.url, apiKey: masterKey, maxRetries: 0, ...extra });
const hello = { model, max_tokens: 100, messages: [{ role: "user", content: "hello" }] };

test("create, stream, count tokens, list models", async (t) => {
  const { gateway } = await startPair(t);
  const anthropic = client(gateway);
  const message = await anthropic.messages.create(hello);
  assert.equal(message.type, "message");
  assert.equal(message.model, model);
  assert.ok(message.content[0].text.length > 0);
  const events = [];
  const stream = anthropic.messages.stream({ ...hello, messages: [{ role: "user", content: "[[sim: think hm | text one two three]]" }] });
  stream.on("streamEvent", (event) => events.push(event.type));
  const final = await stream.finalMessage();
  assert.equal(final.stop_reason, "end_turn");
  assert.equal(events[0], "message_start");
  assert.equal(events.at(-1), "message_stop");
  assert.ok((await anthropic.messages.countTokens({ model, messages: hello.messages })).input_tokens > 0);
  const models = await anthropic.models.list();
  assert.equal(models.data[0].id, model);
});

test("tool use round trip in a stream", async (t) => {
  const { gateway } = await startPair(t);
  const anthropic = client(gateway);
  const tools = [{ name: "lookup", description: "finds", input_schema: { type: "object", properties: { q: { type: "string" } } } }];
  const messages = [{ role: "user", content: '[[sim: lookup {"q":"ä \\"quoted\\" 😀"}; text found]]' }];
  const first = await anthropic.messages.stream({ ...hello, tools, messages }).finalMessage();
  assert.equal(first.stop_reason, "tool_use");
  const use = first.content.find((block) => block.type === "tool_use");
  assert.deepEqual(use.input, { q: 'ä "quoted" 😀' });
  messages.push({ role: "assistant", content: first.content });
  messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "it is there" }] });
  const second = await anthropic.messages.create({ ...hello, tools, messages });
  assert.equal(second.content[0].text, "found");
});

test("errors become the SDK's classes", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await assert.rejects(client(gateway, { apiKey: "sk-wrong" }).messages.create(hello), Anthropic.AuthenticationError);
  await assert.rejects(client(gateway).messages.create({ ...hello, model: "nope" }), Anthropic.NotFoundError);
  await assert.rejects(client(gateway).messages.create({ ...hello, messages: [] }), Anthropic.BadRequestError);
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 100, type: "ThrottlingException" });
  await assert.rejects(client(gateway).messages.create(hello), Anthropic.RateLimitError);
});

test("an Anthropic deployment: the SDK's request arrives as it was but for the model's name", async (t) => {
  const config = (upstream) => `
model_list:
  - model_name: sonnet
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: ${upstream.accounts[0].api_key}
      api_base: ${upstream.url}
general_settings:
  master_key: ${masterKey}
`;
  const { gateway, upstream } = await startPair(t, { config });
  const message = await client(gateway).beta.messages.create({ ...hello, model: "sonnet", betas: ["context-1m-2025-08-07", "made-up-beta"] });
  assert.equal(message.model, "sonnet");
  const [received] = (await upstream.state()).accounts[0].received;
  assert.equal(received.path.split("?")[0], "/v1/messages");
  assert.equal(received.betas, "context-1m-2025-08-07,made-up-beta");
  assert.deepEqual(JSON.parse(received.body), { ...hello, model: "claude-sonnet-4-5" });
});
