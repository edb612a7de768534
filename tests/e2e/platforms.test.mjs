// Every platform behind both dialects, with the real clients. Fills a table of docs/platforms.md:
// rows are features, columns are platforms.
import test from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { startPair, model, masterKey, until } from "./support/processes.mjs";
import { makeHome, openClaude, runClaude } from "./support/claude.mjs";
import { matrix } from "./support/matrix.mjs";
import { platforms } from "./support/platforms.mjs";

const { passed, check } = matrix("platforms", Object.keys(platforms));
const sdk = (gateway) => new Anthropic({ baseURL: gateway.url, apiKey: masterKey, maxRetries: 0 });
const hello = { model, max_tokens: 100, messages: [{ role: "user", content: "hello" }] };
const big = [{ type: "text", text: "Words that are worth a cache entry. ".repeat(400), cache_control: { type: "ephemeral" } }];

for (const [platform, configure] of Object.entries(platforms)) {
  const start = (t, options = {}) => startPair(t, { config: configure(model), ...options });

  test(`${platform}: the Anthropic SDK`, async (t) => {
    const { gateway, upstream } = await start(t);
    const client = sdk(gateway);
    const message = await client.messages.create(hello);
    assert.equal(message.model, model);
    passed("messages", platform);
    const final = await client.messages.stream({ ...hello, messages: [{ role: "user", content: "[[sim: think hm | text one two]]" }] }).finalMessage();
    assert.deepEqual(final.content.map((block) => block.type), ["thinking", "text"]);
    passed("stream", platform);
    assert.ok((await client.messages.countTokens({ model, messages: hello.messages })).input_tokens > 0);
    passed("count_tokens", platform);
    await client.messages.create({ ...hello, system: big });
    await client.messages.create({ ...hello, system: big, messages: [{ role: "user", content: "another question" }] });
    const rows = (await gateway.rows(5)).filter((row) => row.prompt_tokens > 1000);
    assert.equal(rows[1].cache_read_input_tokens, rows[0].cache_creation_input_tokens);
    assert.equal(rows[1].model_id, rows[0].model_id);
    assert.ok(rows[0].spend > rows[1].spend && rows[1].spend > 0);
    passed("cache routing and price", platform);
    assert.equal((await upstream.state()).unauthorized, 0);
  });

  test(`${platform}: errors and failover`, async (t) => {
    const { gateway, upstream } = await start(t);
    const client = sdk(gateway);
    await upstream.fault({ account: "*", kind: "status", status: 400, count: 2, message: "prompt is too long: 250000 tokens > 200000 maximum" });
    await assert.rejects(client.messages.create(hello), (error) => error.status === 400 && /prompt is too long/.test(error.message));
    await upstream.reset(false);
    await upstream.fault({ account: "account-1", kind: "status", status: 529, count: 50 });
    for (let i = 0; i < 4; i++) assert.equal((await client.messages.create(hello)).type, "message");
    await upstream.reset(false);
    await upstream.fault({ account: "*", kind: "exception", after_events: 4, count: 50 });
    const answer = await gateway.post("/v1/messages", { ...hello, stream: true, messages: [{ role: "user", content: "[[sim: long 30]]" }] });
    const text = await answer.text();
    assert.equal(text.match(/^event: error$/gm)?.length, 1, text.slice(-300));
    assert.ok(!/^event: message_stop$/m.test(text));
    passed("errors, failover, broken streams", platform);
  });

  test(`${platform}: throttled inside the stream, before any content`, async (t) => {
    const { gateway, upstream } = await start(t);
    const client = sdk(gateway);
    for (const after of [0, 1]) {
      await upstream.reset(false);
      await upstream.fault({ account: "account-1", kind: "exception", after_events: after, count: 50 });
      for (let i = 0; i < 4; i++) {
        const final = await client.messages.stream({ ...hello, messages: [{ role: "user", content: `[[sim: text ${after} ${i}]]` }] }).finalMessage();
        assert.equal(final.content[0].text, `${after} ${i}`);
      }
    }
    passed("an error inside the stream before content: another account answers", platform);
  });

  test(`${platform}: Claude Code, a tool loop and a resumed session`, async (t) => {
    const { gateway, upstream } = await start(t);
    const place = makeHome();
    t.after(place.remove);
    const first = await runClaude(gateway, place, '[[sim: Bash {"command":"echo one"}; Bash {"command":"echo two"}; text done]]', { args: ["--allowedTools", "Bash"] });
    assert.equal(first.result?.result, "done", first.out + first.err + JSON.stringify((await gateway.logs()).data.map((row) => row.error_message)));
    passed("Claude Code: tool loop", platform);
    const again = await runClaude(gateway, place, "and one more question", { args: ["--resume", first.result.session_id] });
    assert.equal(again.result?.is_error, false, again.out + again.err);
    const turns = await until("four turns", async () => {
      const rows = (await gateway.logs()).data.filter((row) => row.prompt_tokens > 1000);
      return rows.length >= 4 ? rows.reverse() : null;
    });
    assert.ok(turns.slice(1).every((turn) => turn.cache_read_input_tokens > 1000));
    assert.equal(new Set(turns.map((turn) => turn.model_id)).size, 1);
    passed("Claude Code: resume reads the cache", platform);
    assert.equal((await upstream.state()).unauthorized, 0);
  });

  // Discovery shows only names that begin with "claude".
  test(`${platform}: Claude Code in a terminal, restarted`, async (t) => {
    const name = "claude-sonnet-4-5";
    const { gateway } = await startPair(t, { config: configure(name) });
    const place = makeHome();
    t.after(place.remove);
    const env = {
      ANTHROPIC_MODEL: name,
      ANTHROPIC_SMALL_FAST_MODEL: name,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: name,
      CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "",
    };
    const turns = async (count) =>
      until(`${count} turns`, async () => {
        const rows = (await gateway.logs()).data.filter((row) => row.prompt_tokens > 1000 && row.status === "success");
        return rows.length >= count ? rows.reverse() : null;
      }, 60000);
    const first = openClaude(gateway, place, { env });
    await first.sees("? for shortcuts");
    const cache = join(place.home, ".claude/cache/gateway-models.json");
    await until("the discovered models", () => existsSync(cache) && readFileSync(cache, "utf8").includes(name), 30000);
    passed("Claude Code: gateway model discovery", platform);
    await first.type("say hello");
    await first.sees("This is a simulated answer");
    const [begun] = await turns(1);
    await first.close();
    passed("Claude Code: interactive start", platform);
    const second = openClaude(gateway, place, { env, args: ["--continue"] });
    await second.sees("? for shortcuts");
    await second.type("and once more");
    const after = (await turns(2)).at(-1);
    await second.close();
    assert.equal(after.session_id, begun.session_id);
    assert.equal(after.model_id, begun.model_id);
    assert.ok(after.cache_read_input_tokens > 1000);
    passed("Claude Code: interactive restart reads the cache", platform);
  });

  test(`${platform}: Claude Code, subagents and Bedrock mode`, async (t) => {
    const { gateway } = await start(t);
    const place = makeHome();
    t.after(place.remove);
    const agent = 'Agent {"description":"look","prompt":"a task","subagent_type":"general-purpose"}';
    const parent = await runClaude(gateway, place, `[[sim: ${agent} | ${agent}; text all done]]`, { args: ["--allowedTools", "Agent,Task,Bash"] });
    assert.equal(parent.result?.result, "all done", parent.out + parent.err);
    assert.ok((await gateway.rows(4)).filter((row) => row.agent_id).length >= 2);
    passed("Claude Code: subagents", platform);
    const env = {
      CLAUDE_CODE_USE_BEDROCK: "1",
      ANTHROPIC_BEDROCK_BASE_URL: gateway.url,
      AWS_BEARER_TOKEN_BEDROCK: masterKey,
      AWS_REGION: "us-west-2",
      ANTHROPIC_BASE_URL: "",
      ANTHROPIC_AUTH_TOKEN: "",
    };
    const bedrock = await runClaude(gateway, place, '[[sim: Bash {"command":"echo one"}; text done]]', { args: ["--allowedTools", "Bash"], env });
    assert.equal(bedrock.result?.result, "done", bedrock.out + bedrock.err);
    passed("Claude Code: Bedrock mode", platform);
  });

  test(`${platform}: a client in Bedrock's dialect`, async (t) => {
    const { gateway } = await start(t);
    const body = { anthropic_version: "bedrock-2023-05-31", anthropic_beta: ["context-1m-2025-08-07"], max_tokens: 20, messages: hello.messages };
    const whole = await gateway.post(`/model/${model}/invoke`, body);
    assert.equal(whole.status, 200, await whole.clone().text());
    assert.equal((await whole.json()).type, "message");
    const stream = await gateway.post(`/model/${model}/invoke-with-response-stream`, body);
    assert.equal(stream.headers.get("content-type"), "application/vnd.amazon.eventstream");
    const text = Buffer.from(await stream.arrayBuffer()).toString("latin1");
    const events = [...text.matchAll(/"bytes":"([^"]+)"/g)].map((m) => JSON.parse(Buffer.from(m[1], "base64").toString()).type);
    assert.equal(events[0], "message_start");
    assert.equal(events.at(-1), "message_stop");
    passed("Bedrock dialect", platform);
  });
}

test("docs/platforms.md shows what this run has shown", check);
