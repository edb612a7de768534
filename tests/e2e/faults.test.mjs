// Upstream faults: what the client sees, where the request went, what the ledger says.
import test from "node:test";
import assert from "node:assert/strict";
import { startPair, model, until } from "./support/processes.mjs";

const body = (extra = {}) => ({
  model,
  max_tokens: 50,
  stream: true,
  system: [{ type: "text", text: "Some words that are worth a cache entry. ".repeat(300), cache_control: { type: "ephemeral" } }],
  messages: [{ role: "user", content: "a question" }],
  ...extra,
});

async function ask(gateway, extra, headers) {
  const answer = await gateway.post("/v1/messages", body(extra), headers);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text };
}

const whole = (answer) => assert.match(answer.text, /^event: message_stop$/m);

// Which account the next request would go to is the router's to say: all faults are armed for the
// account that the prefix has warmed.
async function warm(gateway, upstream) {
  const answer = await ask(gateway);
  assert.equal(answer.status, 200, answer.text);
  const { accounts } = await upstream.state();
  return accounts.find((account) => account.requests > 0).name;
}

for (const [name, fault] of Object.entries({
  "C33 429 without retry-after": { kind: "status", status: 429, type: "ThrottlingException" },
  "C33 429 with a long retry-after": { kind: "status", status: 429, type: "ThrottlingException", retry_after: "120" },
  "C35 500": { kind: "status", status: 500, type: "InternalServerException" },
  "C35 503": { kind: "status", status: 503, type: "ServiceUnavailableException" },
  "C35 529": { kind: "status", status: 529 },
  "C35 a reset before the head": { kind: "reset" },
  "C41 an end of the stream before content": { kind: "truncate", after_events: 0 },
  "C46 throttling inside the stream before content": { kind: "exception", after_events: 0, type: "throttlingException" },
  "C45 a corrupt first frame": { kind: "corrupt", after_events: 0 },
  "C42 an HTML page with status 200": { kind: "html" },
  "C49 a redirect": { kind: "redirect" },
  "C37 credentials that are refused": { kind: "status", status: 403, type: "AccessDeniedException" },
})) {
  test(`${name}: another deployment answers`, async (t) => {
    const { gateway, upstream } = await startPair(t);
    const first = await warm(gateway, upstream);
    await upstream.fault({ account: first, count: 20, ...fault });
    const answer = await ask(gateway);
    assert.equal(answer.status, 200, answer.text);
    whole(answer);
    assert.ok(!answer.text.includes("event: error"));
    assert.equal(answer.headers.get("x-litellm-attempted-retries"), "1");
    const rows = await gateway.rows(2);
    assert.equal(rows[1].status, "success");
    assert.equal(rows[1].attempted_retries, 1);
    const { attempts } = await gateway.get(`/spend/logs/ui/${rows[1].request_id}`);
    assert.equal(attempts.length, 2);
    assert.notEqual(attempts[0].model_id, attempts[1].model_id);
    assert.ok(attempts[0].error);
  });
}

test("C36 a request that the upstream refuses is not tried again, and its words arrive", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await upstream.fault({ account: "*", kind: "status", status: 400, count: 5, type: "ValidationException", message: "max_tokens: too many" });
  const answer = await ask(gateway);
  assert.equal(answer.status, 400);
  const error = JSON.parse(answer.text);
  assert.equal(error.type, "error");
  assert.equal(error.error.type, "invalid_request_error");
  assert.match(error.error.message, /max_tokens: too many/);
  const { accounts } = await upstream.state();
  assert.equal(accounts.reduce((sum, account) => sum + account.requests, 0), 1);
});

test("C52 when all are throttled: 429 with a retry-after that makes sense", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 100, type: "ThrottlingException", retry_after: "7" });
  const first = await ask(gateway);
  assert.equal(first.status, 429, first.text);
  assert.equal(JSON.parse(first.text).error.type, "rate_limit_error");
  const before = (await upstream.state()).accounts.reduce((sum, account) => sum + account.requests, 0);
  assert.ok(before <= 4, `${before} upstream requests`);
  const second = await ask(gateway);
  assert.equal(second.status, 429, second.text);
  assert.match(second.text, /is at its limit; try again in \d+ seconds/);
  const seconds = Number(second.headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 60, `retry-after ${second.headers.get("retry-after")}`);
  const after = (await upstream.state()).accounts.reduce((sum, account) => sum + account.requests, 0);
  assert.equal(after, before, "cooling deployments are left alone");
});

test("C33 a cooled deployment comes back and its cache is used again", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const first = await warm(gateway, upstream);
  await upstream.fault({ account: first, kind: "status", status: 429, count: 1, type: "ThrottlingException", retry_after: "1" });
  assert.equal((await ask(gateway)).status, 200);
  await until("the deployment to be healthy again", async () => {
    const { data: deployments } = await gateway.get("/ui/api/deployments");
    return deployments.every((deployment) => !deployment.cooling_ms);
  });
  assert.equal((await ask(gateway)).status, 200);
});

for (const [name, fault] of Object.entries({
  "C40 a reset": { kind: "reset", after_events: 4 },
  "C41 a clean end without message_stop": { kind: "truncate", after_events: 4 },
  "C46 an exception": { kind: "exception", after_events: 4, type: "modelStreamErrorException" },
  "C45 a corrupt frame": { kind: "corrupt", after_events: 4 },
})) {
  test(`${name} after content: one error event, then the end; the row says so`, async (t) => {
    const { gateway, upstream } = await startPair(t, { provider: { eventMs: 15 } });
    await upstream.fault({ account: "*", count: 10, ...fault });
    const answer = await ask(gateway, { messages: [{ role: "user", content: "[[sim: long 40]]" }] });
    assert.equal(answer.status, 200);
    assert.match(answer.text, /event: content_block_delta/);
    assert.equal(answer.text.match(/event: error/g)?.length, 1, answer.text.slice(-400));
    assert.ok(!answer.text.includes("event: message_stop"));
    const last = answer.text.trimEnd().split("\n").at(-1);
    assert.equal(JSON.parse(last.slice("data: ".length)).type, "error");
    const [row] = await gateway.rows(1);
    assert.equal(row.status, "failure");
    assert.ok(row.completion_tokens > 0 && row.spend > 0, "what was sent is charged");
    assert.equal((await upstream.state()).accounts.reduce((sum, a) => sum + a.requests, 0), 1);
  });
}

test("D53 a client that leaves closes the upstream at once", async (t) => {
  const { gateway, upstream } = await startPair(t, { provider: { ttftMs: 20, eventMs: 100 } });
  const controller = new AbortController();
  const answer = await fetch(`${gateway.url}/v1/messages`, {
    method: "POST",
    signal: controller.signal,
    headers: { ...gateway.headers, "content-type": "application/json" },
    body: JSON.stringify(body({ messages: [{ role: "user", content: "[[sim: long 400]]" }] })),
  });
  const reader = answer.body.getReader();
  await reader.read();
  const left = Date.now();
  controller.abort();
  await until("the upstream request to end", async () => {
    const { accounts } = await upstream.state();
    return accounts.some((account) => account.received.some((row) => row.complete === false && row.status === 200));
  }, 2000);
  assert.ok(Date.now() - left < 1000);
  const [row] = await gateway.rows(1);
  assert.equal(row.status, "failure");
  assert.ok(row.spend > 0, "what was sent is charged");
  await until("no request in flight", async () => (await gateway.get("/ui/api/deployments")).data.every((d) => d.in_flight === 0));
});

test("C47 pings keep a silent stream alive, but never before message_start", async (t) => {
  const deployment = (upstream) => `
model_list:
  - model_name: m
    litellm_params:
      model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0
      aws_access_key_id: ${upstream.accounts[0].aws_access_key_id}
      aws_secret_access_key: ${upstream.accounts[0].aws_secret_access_key}
      aws_region_name: us-west-2
      keepalive_seconds: 0.2
general_settings:
  master_key: sk-e2e-master-key
`;
  const { gateway } = await startPair(t, { config: deployment, provider: { ttftMs: 900, eventMs: 500 } });
  const answer = await ask(gateway, { model: "m", messages: [{ role: "user", content: "[[sim: text one two]]" }] });
  assert.equal(answer.status, 200, answer.text);
  whole(answer);
  const events = [...answer.text.matchAll(/^event: (\w+)$/gm)].map((match) => match[1]);
  assert.equal(events[0], "message_start");
  assert.ok(events.filter((name) => name === "ping").length >= 2, events.join(" "));
});

test("fallbacks: another group answers when the first has nothing left", async (t) => {
  const config = (upstream) => {
    const deployment = (name, account) => `
  - model_name: ${name}
    litellm_params:
      model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0
      aws_access_key_id: ${account.aws_access_key_id}
      aws_secret_access_key: ${account.aws_secret_access_key}
      aws_region_name: us-west-2`;
    return `
model_list:${deployment("first", upstream.accounts[0])}${deployment("second", upstream.accounts[1])}
router_settings:
  fallbacks: [{first: [second]}]
  num_retries: 0
general_settings:
  master_key: sk-e2e-master-key
`;
  };
  const { gateway, upstream } = await startPair(t, { config });
  await upstream.fault({ account: "account-1", kind: "status", status: 500, count: 10 });
  const answer = await ask(gateway, { model: "first" });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get("x-litellm-attempted-fallbacks"), "1");
  assert.equal(answer.headers.get("x-litellm-model-group"), "second");
  assert.match(answer.text, /"model": ?"first"/, "the client reads the name that it asked for");
});
