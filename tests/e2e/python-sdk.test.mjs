// The official Python SDKs — Anthropic, AnthropicBedrock, boto3 — and the other TypeScript clients
// that can be pointed at a gateway.
import test from "node:test";
import assert from "node:assert/strict";
import AnthropicFoundry from "@anthropic-ai/foundry-sdk";
import { startPair, model, masterKey } from "./support/processes.mjs";
import { runPython } from "./support/python.mjs";
import { platforms } from "./support/platforms.mjs";

for (const name of ["bedrock", "anthropic", "vertex"])
  test(`the Python SDKs over ${name} deployments`, async (t) => {
    const { gateway } = await startPair(t, { config: platforms[name](model) });
    const seen = await runPython("clients.py", { env: { GATEWAY: gateway.url, KEY: masterKey, MODEL: model } });
    assert.deepEqual(seen.passed, ["Anthropic", "AnthropicBedrock", "boto3"]);
  });

test("the Foundry SDK", async (t) => {
  const { gateway } = await startPair(t);
  const client = new AnthropicFoundry({ baseURL: gateway.url, apiKey: masterKey, maxRetries: 0 });
  const message = await client.messages.create({ model, max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
  assert.equal(message.type, "message");
  const stream = client.messages.stream({ model, max_tokens: 20, messages: [{ role: "user", content: "[[sim: text one]]" }] });
  assert.equal((await stream.finalMessage()).content[0].text, "one");
});
