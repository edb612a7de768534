// The front: identity, bad input, routes of the contract, shutdown.
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { readFileSync, writeFileSync } from "node:fs";
import { startPair, startGateway, model, sleep, twoAccounts, untilSaid, masterKey } from "./support/processes.mjs";

const good = { model, max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
const upstreamRequests = async (upstream) => (await upstream.state()).accounts.reduce((sum, a) => sum + a.requests, 0);

async function envelope(answer, status, type) {
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  const error = JSON.parse(text);
  assert.equal(error.type, "error");
  assert.equal(error.error.type, type, text);
  assert.ok(error.error.message.length > 5);
  return error;
}

test("bad requests get the right answer, reach nobody, and leave one row each", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const rows = [
    ['{"model":', 400, "invalid_request_error"],
    ["[]", 400, "invalid_request_error"],
    [JSON.stringify({ max_tokens: 1, messages: [] }), 400, "invalid_request_error"],
    [JSON.stringify({ ...good, messages: [] }), 400, "invalid_request_error"],
    [JSON.stringify({ ...good, messages: "no" }), 400, "invalid_request_error"],
    [JSON.stringify({ ...good, model: "no-such-model" }), 404, "not_found_error"],
    [JSON.stringify({ ...good, stream: "yes" }), 400, "invalid_request_error"],
    ["\u0000\u0001", 400, "invalid_request_error"],
    ["{".repeat(5000), 400, "invalid_request_error"],
  ];
  for (const [body, status, type] of rows) await envelope(await gateway.post("/v1/messages", body), status, type);
  const logged = await gateway.rows(rows.length);
  assert.equal(logged.length, rows.length);
  assert.ok(logged.every((row) => row.status === "failure" && row.http_status >= 400));
  assert.equal(await upstreamRequests(upstream), 0);
  assert.equal((await gateway.post("/v1/messages", good)).status, 200);
});

test("a body of 64 MB is refused before it is read", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const socket = net.connect(gateway.port, "127.0.0.1");
  socket.write(
    `POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: application/json\r\ncontent-length: ${64 << 20}\r\n\r\n{`,
  );
  const head = await new Promise((done) => socket.once("data", (data) => done(data.toString())));
  assert.match(head, /^HTTP\/1\.1 413 /);
  assert.match(head, /request_too_large/);
  socket.destroy();
  assert.equal(await upstreamRequests(upstream), 0);
});

// Sends a request in pieces with pauses between them; resolves to the answer's text.
async function inPieces(gateway, body, size) {
  const bytes = Buffer.from(body);
  const socket = net.connect({ port: gateway.port, host: "127.0.0.1", noDelay: true });
  const answer = new Promise((done, failed) => {
    let text = "";
    socket.on("data", (data) => (text += data)).on("end", () => done(text)).on("error", failed);
  });
  socket.write(
    `POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${bytes.length}\r\n\r\n`,
  );
  for (let at = 0; at < bytes.length; at += size) {
    socket.write(bytes.subarray(at, at + size));
    await sleep(3);
  }
  return answer;
}

test("a large body that comes in pieces is read as the whole is", async (t) => {
  const { gateway } = await startPair(t);
  const mark = { cache_control: { type: "ephemeral" } };
  const large = {
    ...good,
    system: [{ type: "text", text: "Rules with \"quotes\".\n".repeat(4000), ...mark }],
    messages: Array.from({ length: 61 }, (_, i) => ({
      role: i % 2 ? "assistant" : "user",
      content: [{ type: "text", text: `Turn ${i}: é ${"\\ and so on\n".repeat(200)}`, ...(i === 60 ? mark : {}) }],
    })),
  };
  const body = JSON.stringify(large);
  assert.ok(body.length > 250000);
  assert.equal((await gateway.post("/v1/messages", body)).status, 200);
  assert.match(await inPieces(gateway, body, 40000), /^HTTP\/1\.1 200 /);
  const rows = await gateway.rows(2);
  const [second] = rows.sort((a, b) => b.startTime.localeCompare(a.startTime));
  assert.ok(second.predicted_cache_read_tokens > 10000, "the same prefixes were named");
  assert.ok(second.cache_read_input_tokens > 10000);

  const broken = `${body.slice(0, -2)},]}`;
  const refused = await inPieces(gateway, broken, 40000);
  assert.match(refused, /^HTTP\/1\.1 400 /);
  const whole = await (await gateway.post("/v1/messages", broken)).json();
  assert.match(whole.error.message, /not valid JSON: .*\(byte \d+\)/);
  assert.ok(refused.includes(JSON.stringify(whole.error.message).slice(1, -1)), refused);
});

test("floods of headers are refused and the process is unharmed", async (t) => {
  const { gateway } = await startPair(t);
  for (const flood of ["x: y\r\n".repeat(400), `x: ${"y".repeat(100000)}\r\n`]) {
    const socket = net.connect(gateway.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`GET /health/liveliness HTTP/1.1\r\nhost: x\r\n${flood}\r\n`);
    const head = await new Promise((done) => socket.once("data", (data) => done(data.toString())));
    assert.match(head, /^HTTP\/1\.1 431 /);
    socket.destroy();
  }
  assert.equal((await gateway.post("/v1/messages", good)).status, 200);
});

test("identity: three headers, constant answers, no retry for a wrong key", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const ask = (headers) =>
    fetch(`${gateway.url}/v1/messages`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(good) });
  for (const headers of [{ authorization: `Bearer ${masterKey}` }, { "x-api-key": masterKey }, { "x-litellm-api-key": masterKey }])
    assert.equal((await ask(headers)).status, 200);
  const before = await upstreamRequests(upstream);
  for (const headers of [{}, { authorization: "Bearer sk-wrong" }, { "x-api-key": "" }, { authorization: "Basic eDp5" }]) {
    const answer = await ask(headers);
    assert.equal(answer.headers.get("x-should-retry"), "false");
    await envelope(answer, 401, "authentication_error");
  }
  assert.equal(await upstreamRequests(upstream), before);
  assert.ok(!gateway.output.includes(masterKey));
});

test("the routes that Claude Code and load balancers call", async (t) => {
  const { gateway } = await startPair(t);
  for (const path of ["/", "/api/hello", "/health/liveliness", "/health/readiness"]) {
    assert.equal((await fetch(gateway.url + path, { method: "HEAD" })).status, 200, path);
    assert.equal((await fetch(gateway.url + path)).status, 200, path);
  }
  const models = await gateway.get("/v1/models?limit=1000");
  assert.deepEqual(models.data.map((entry) => entry.id), [model]);
  const info = await gateway.get("/model/info");
  assert.equal(info.data.length, 2);
  assert.ok(!JSON.stringify(info).includes("simulated/secret"));
  const health = await gateway.get("/health");
  assert.equal(health.healthy_count + health.unhealthy_count, 2);
  const counted = await (await gateway.post("/v1/messages/count_tokens?beta=true", { model, messages: good.messages })).json();
  assert.ok(counted.input_tokens > 0);
  await envelope(await fetch(`${gateway.url}/no/such/route`, { headers: gateway.headers }), 404, "not_found_error");
  assert.equal((await fetch(`${gateway.url}/v1/messages`, { headers: gateway.headers })).status, 405);
});

test("response headers speak LiteLLM's vocabulary", async (t) => {
  const { gateway } = await startPair(t);
  const answer = await gateway.post("/v1/messages", good);
  const message = await answer.json();
  assert.equal(message.model, model);
  const [row] = await gateway.rows(1);
  assert.equal(answer.headers.get("x-litellm-call-id"), row.request_id);
  assert.equal(answer.headers.get("x-litellm-model-id"), row.model_id);
  assert.equal(answer.headers.get("x-litellm-model-group"), model);
  assert.equal(answer.headers.get("x-litellm-attempted-retries"), "0");
  assert.equal(answer.headers.get("x-litellm-attempted-fallbacks"), "0");
  assert.ok(Math.abs(Number(answer.headers.get("x-litellm-response-cost")) - row.spend) < 1e-9);
  assert.ok(Number(answer.headers.get("x-litellm-overhead-duration-ms")) < 50);
});

test("the log API answers in LiteLLM's shape and filters", async (t) => {
  const { gateway } = await startPair(t);
  for (let i = 0; i < 5; i++)
    await (await gateway.post("/v1/messages", good, { "x-claude-code-session-id": `session-number-${i % 2}` })).text();
  await (await gateway.post("/v1/messages", { ...good, model: "nope" })).text();
  await gateway.rows(6);
  const page = await gateway.get("/spend/logs/ui?page=2&page_size=4");
  const first = await gateway.get("/spend/logs/ui?page=1&page_size=4");
  assert.equal(first.total, 6);
  assert.equal(first.total_pages, 2);
  assert.equal(first.page, 1);
  assert.equal(first.page_size, 4);
  assert.equal(first.data.length, 4);
  assert.ok(page.total === 6);
  const row = first.data.find((entry) => entry.status === "success");
  assert.equal(row.metadata.additional_usage_values.cache_read_input_tokens, row.cache_read_input_tokens);
  assert.equal(row.metadata.additional_usage_values.cache_creation_input_tokens, row.cache_creation_input_tokens);
  const count = async (query) => (await gateway.get(`/spend/logs/ui?${query}`)).total;
  assert.equal(await count("session_id=session-number-0"), 3);
  assert.equal(await count("status_filter=failure"), 1);
  assert.equal(await count(`request_id=${row.request_id}`), 1);
  const same = first.data.concat(page.data).filter((entry) => entry.model_id === row.model_id);
  const ids = [...new Set(same.map((entry) => entry.request_id))];
  assert.equal(await count(`model_id=${row.model_id}`), ids.length);
  assert.equal(await count("start_date=2001-01-01%2000:00:00&end_date=2001-01-02%2000:00:00"), 0);
});

test("prompts stay out of the ledger and the logs unless asked for", async (t) => {
  const marker = "a-very-private-sentence";
  const ask = { ...good, messages: [{ role: "user", content: marker }] };
  const { gateway } = await startPair(t, { args: ["--log-level", "debug"] });
  await (await gateway.post("/v1/messages", ask)).text();
  await (await gateway.post("/v1/messages", `{"messages":"${marker}"`)).text();
  const rows = await gateway.rows(2);
  for (const row of rows) assert.ok(!JSON.stringify(await gateway.get(`/spend/logs/ui/${row.request_id}`)).includes(marker));
  assert.ok(!gateway.output.includes(marker));
  const stored = await startPair(t, {
    config: () => twoAccounts(`\ngeneral_settings:\n  master_key: ${masterKey}\n  store_prompts_in_spend_logs: true\n`),
  });
  const answer = await (await stored.gateway.post("/v1/messages", ask)).json();
  const [row] = await stored.gateway.rows(1);
  const detail = await stored.gateway.get(`/spend/logs/ui/${row.request_id}`);
  assert.ok(JSON.stringify(detail.request_body).includes(marker));
  assert.deepEqual(detail.response_body, answer);
});

test("B25 SIGTERM lets streams run to their end, refuses new ones, and ends with 0", async (t) => {
  const { gateway } = await startPair(t, { provider: { ttftMs: 50, eventMs: 40 } });
  const answer = await gateway.post("/v1/messages", { ...good, stream: true, messages: [{ role: "user", content: "[[sim: long 20]]" }] });
  const reader = answer.body.getReader();
  const first = await reader.read();
  const ended = gateway.stop();
  await sleep(100);
  await assert.rejects(fetch(`${gateway.url}/health/liveliness`));
  let text = Buffer.from(first.value).toString();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  assert.match(text, /message_stop/);
  assert.deepEqual(await ended, { code: 0, signal: null });
});

test("B27 SIGHUP puts a new configuration in force; a broken one leaves the old", async (t) => {
  const { gateway } = await startPair(t);
  const before = readFileSync(gateway.file, "utf8");
  writeFileSync(gateway.file, `${before}\nlitellm_settings:\n  num_retries: many\n`);
  gateway.child.kill("SIGHUP");
  await untilSaid(gateway, /config\.yaml:\d+.*num_retries/);
  assert.equal((await gateway.post("/v1/messages", good)).status, 200);
  writeFileSync(gateway.file, before.replaceAll(`model_name: ${model}`, "model_name: renamed"));
  gateway.child.kill("SIGHUP");
  for (let i = 0; i < 100; i++) {
    const models = await gateway.get("/v1/models");
    if (models.data[0].id === "renamed") break;
    await sleep(50);
  }
  assert.equal((await gateway.post("/v1/messages", { ...good, model: "renamed" })).status, 200);
  assert.equal((await gateway.post("/v1/messages", good)).status, 404);
});

test("a configuration that would weaken security does not start", async () => {
  await assert.rejects(
    startGateway({ config: twoAccounts(`\ngeneral_settings:\n  master_key: ${masterKey}\n  allowed_ips: ["10.0.0.1"]\n`) }),
    /allowed_ips/,
  );
});

test("G79 without a master key only loopback is served", async (t) => {
  const { gateway } = await startPair(t, { key: null });
  assert.equal((await gateway.post("/v1/messages", good)).status, 200);
  assert.match(gateway.output, /loopback/);
  await assert.rejects(startGateway({ config: twoAccounts(), args: ["--host", "0.0.0.0"], key: null }), /master_key/);
});
