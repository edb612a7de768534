// Which upstreams a request tries, in which order, and when it gives up.
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { startPair, startGateway } from "./support/processes.mjs";

const claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const deployment = (group, account, more = "") => `
  - model_name: ${group}
    litellm_params:
      model: bedrock/${claude}
      aws_access_key_id: ${account.aws_access_key_id}
      aws_secret_access_key: ${account.aws_secret_access_key}
      aws_region_name: us-west-2${more}`;
const config = (deployments, router = "") => `
model_list:${deployments.join("")}
router_settings:
  optional_pre_call_checks: ["prompt_caching"]${router}
general_settings:
  master_key: sk-e2e-master-key
`;

async function ask(gateway, model, extra = {}, headers = {}) {
  const body = { model, max_tokens: 50, messages: [{ role: "user", content: "a question" }], ...extra };
  const answer = await gateway.post("/v1/messages", body, headers);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
const received = async (upstream) => (await upstream.state()).accounts.map((account) => account.requests);
const detail = async (gateway) => gateway.get(`/spend/logs/ui/${(await gateway.rows(1))[0].request_id}`);

// A port that refuses connections.
async function closedPort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

test("a deployment that cannot be reached costs the client nothing", async (t) => {
  const port = await closedPort();
  const { gateway, upstream } = await startPair(t, {
    provider: { accounts: 1 },
    config: ({ accounts }) =>
      config([
        deployment("m", accounts[0], `\n      aws_bedrock_runtime_endpoint: http://127.0.0.1:${port}\n      order: 1`),
        deployment("m", accounts[0], "\n      order: 2"),
      ]),
  });
  const answer = await ask(gateway, "m");
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("x-litellm-attempted-retries"), "1");
  const { attempts } = await detail(gateway);
  assert.deepEqual(attempts.map((attempt) => attempt.error || "ok"), ["CONNECT", "ok"]);
  assert.deepEqual(await received(upstream), [1]);
});

test("retries are those that were made: two deployments, both throttled, one retry", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: ({ accounts }) => config(accounts.map((account) => deployment("m", account))) });
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 50, type: "ThrottlingException", retry_after: "30" });
  const answer = await ask(gateway, "m");
  assert.equal(answer.status, 429, answer.text);
  assert.equal(answer.headers.get("x-litellm-attempted-retries"), "1");
  const seconds = Number(answer.headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 60, `retry-after: ${answer.headers.get("retry-after")}`);
  assert.deepEqual(await received(upstream), [1, 1]);
  const row = await detail(gateway);
  assert.equal(row.attempted_retries, 1);
  assert.equal(row.attempts.length, 2);
});

test("retry_policy decides by the kind of error, the client's header by the request", async (t) => {
  const { gateway, upstream } = await startPair(t, {
    config: ({ accounts }) =>
      config(accounts.map((account) => deployment("m", account)), `
  num_retries: 3
  disable_cooldowns: true
  retry_policy: {InternalServerErrorRetries: 0}`),
  });
  await upstream.fault({ account: "*", kind: "status", status: 500, count: 1 });
  assert.ok((await ask(gateway, "m")).status >= 500);
  assert.equal((await received(upstream)).reduce((a, b) => a + b), 1, "500: no retry");
  await upstream.reset();
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 1, type: "ThrottlingException" });
  assert.equal((await ask(gateway, "m", {}, { "x-litellm-num-retries": "0" })).status, 429);
  assert.equal((await received(upstream)).reduce((a, b) => a + b), 1, "the client wants none");
  await upstream.reset();
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 1, type: "ThrottlingException" });
  assert.equal((await ask(gateway, "m")).status, 200);
});

test("fallback groups are entered in their order, and no further than max_fallbacks", async (t) => {
  const { gateway, upstream } = await startPair(t, {
    provider: { accounts: 4 },
    config: ({ accounts }) =>
      config(["a", "b", "c", "d"].map((group, i) => deployment(group, accounts[i])), `
  num_retries: 0
  max_fallbacks: 2
  fallbacks: [{a: [b, c, d]}]`),
  });
  for (const account of ["account-1", "account-2"]) await upstream.fault({ account, kind: "status", status: 500, count: 9 });
  const third = await ask(gateway, "a");
  assert.equal(third.status, 200, third.text);
  assert.equal(third.headers.get("x-litellm-model-group"), "c");
  assert.equal(third.headers.get("x-litellm-attempted-fallbacks"), "2");
  await upstream.reset();
  for (const account of ["account-1", "account-2", "account-3"]) await upstream.fault({ account, kind: "status", status: 500, count: 9 });
  assert.ok((await ask(gateway, "a")).status >= 500);
  assert.equal((await received(upstream))[3], 0, "the fourth is beyond max_fallbacks");
});

test("a prompt that is too long goes to context_window_fallbacks, once to each", async (t) => {
  const tooLong = { kind: "status", status: 400, type: "ValidationException", message: "Input is too long for requested model." };
  const { gateway, upstream } = await startPair(t, {
    provider: { accounts: 4 },
    config: ({ accounts }) =>
      config(["a", "b", "c", "other"].map((group, i) => deployment(group, accounts[i])), `
  context_window_fallbacks: [{a: [b, c]}]
  fallbacks: [{a: [other]}]`),
  });
  await upstream.fault({ account: "account-1", count: 9, ...tooLong });
  const answer = await ask(gateway, "a");
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("x-litellm-model-group"), "b");
  assert.deepEqual(await received(upstream), [1, 1, 0, 0]);
  await upstream.reset();
  await upstream.fault({ account: "*", count: 99, ...tooLong });
  const refused = await ask(gateway, "a");
  assert.equal(refused.status, 400, refused.text);
  assert.match(refused.text, /too long/);
  assert.deepEqual(await received(upstream), [1, 1, 1, 0]);
});

test("enable_pre_call_checks: a prompt beyond the window is not sent where it cannot fit", async (t) => {
  const { gateway, upstream } = await startPair(t, {
    config: ({ accounts }) =>
      config([
        deployment("small", accounts[0], "\n    model_info: {max_input_tokens: 1000}"),
        deployment("tiny", accounts[0], "\n    model_info: {max_input_tokens: 1000, id: tiny-1}"),
        deployment("big", accounts[1]),
      ], `
  enable_pre_call_checks: true
  context_window_fallbacks: [{small: [big]}]`),
  });
  const long = { messages: [{ role: "user", content: "many words ".repeat(3000) }] };
  const answer = await ask(gateway, "small", long);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("x-litellm-model-group"), "big");
  assert.deepEqual(await received(upstream), [0, 1]);
  assert.equal((await ask(gateway, "small")).status, 200);
  assert.deepEqual(await received(upstream), [1, 1]);
  const none = await ask(gateway, "tiny", long);
  assert.equal(none.status, 400, none.text);
  assert.match(JSON.parse(none.text).error.message, /^prompt is too long: about \d+ tokens > 1000 maximum$/);
  assert.deepEqual(await received(upstream), [1, 1]);
});

test("default_fallbacks and aliases: groups without their own list use it", async (t) => {
  const { gateway, upstream } = await startPair(t, {
    config: ({ accounts }) =>
      config([deployment("a", accounts[0]), deployment("b", accounts[1])], `
  num_retries: 0
  default_fallbacks: [b]
  model_group_alias: {short: a}`),
  });
  await upstream.fault({ account: "account-1", kind: "status", status: 503, count: 9, type: "ServiceUnavailableException" });
  const answer = await ask(gateway, "short");
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("x-litellm-model-group"), "b");
  assert.equal(JSON.parse(answer.text).model, "short");
  const models = await gateway.get("/v1/models");
  assert.deepEqual(models.data.map((entry) => entry.id).sort(), ["a", "b", "short"]);
});

test("allowed_fails counts before a deployment cools down", async (t) => {
  const { gateway, upstream } = await startPair(t, {
    config: ({ accounts }) =>
      config([deployment("m", accounts[0], "\n      order: 1"), deployment("m", accounts[1], "\n      order: 2")], `
  num_retries: 1
  allowed_fails: 2
  cooldown_time: 60`),
  });
  await upstream.fault({ account: "account-1", kind: "status", status: 500, count: 50 });
  const cooling = async () => (await gateway.get("/ui/api/deployments")).data.filter((d) => d.cooling_ms > 0).length;
  for (let i = 0; i < 2; i++) assert.equal((await ask(gateway, "m", { messages: [{ role: "user", content: `question ${i}` }] })).status, 200);
  assert.equal(await cooling(), 0, "two failures are allowed");
  assert.equal((await ask(gateway, "m", { messages: [{ role: "user", content: "question 3" }] })).status, 200);
  assert.equal(await cooling(), 1, "the third is one too many");
  const before = await received(upstream);
  assert.equal((await ask(gateway, "m", { messages: [{ role: "user", content: "question 4" }] })).status, 200);
  assert.deepEqual(await received(upstream), [before[0], before[1] + 1]);
});
