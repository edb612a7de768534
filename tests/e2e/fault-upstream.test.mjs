// What upstreams do wrong on the wire, and what comes of it. Numbers are those of the fault table
// (docs/reliability.md).
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { scratch, sleep, startGateway, startPair, until, untilSaid, masterKey, model } from "./support/processes.mjs";
import { anthropicConfig, ask, authority, body, chunk, deadPort, events, message, sse, startRaw, streamHead, whole } from "./support/raw.mjs";

async function gatewayFor(t, rows, { settings = "", general = "", args = [], env = {} } = {}) {
  const gateway = await startGateway({ config: anthropicConfig(rows, settings, general), args, env });
  t.after(async () => {
    const ended = await gateway.stop();
    gateway.remove();
    assert.equal(ended.code, 0, gateway.output);
  });
  return gateway;
}
const at = (port, extra = {}) => ({ url: `http://127.0.0.1:${port}`, ...extra });
const deployments = async (gateway) => (await gateway.get("/ui/api/deployments")).data;
const stream = (socket, list = events()) => socket.write(streamHead + chunk(sse(list)) + "0\r\n\r\n");
const finished = (answer) => assert.match(answer.text, /event: message_stop/);

test("C31 connection refused: the next target at once, the circuit opens, a probe closes it", async (t) => {
  const good = await startRaw(t, (socket) => socket.write(whole(message())));
  const port = await deadPort();
  const settings = "router_settings:\n  cooldown_time: 1\n";
  const gateway = await gatewayFor(t, [at(port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })], { settings });
  for (let i = 0; i < 3; i++) {
    const before = Date.now();
    assert.equal((await ask(gateway)).status, 200);
    assert.ok(Date.now() - before < 1000, "at once");
  }
  const cooling = (await deployments(gateway)).filter((d) => d.cooling_ms > 0);
  assert.equal(cooling.length, 1, "the circuit is open");
  const skipped = await ask(gateway);
  assert.equal(skipped.headers.get("x-litellm-attempted-retries"), "0", "nobody tries it meanwhile");
  const back = await startRaw(t, (socket) => socket.write(whole(message("back"))));
  await new Promise((done, fail) => back.server.close(() => back.server.listen(port, "127.0.0.1", done).on("error", fail)));
  await until("the probe to close the circuit", async () => (await ask(gateway)).text.includes("back"));
});

test("C32 a pooled connection that the peer had closed: one silent retry on a fresh one", async (t) => {
  const upstream = await startRaw(t, (socket, request, number) => (number === 2 ? socket.destroy() : socket.write(whole(message(`number ${number}`)))));
  const gateway = await gatewayFor(t, [at(upstream.port)], { args: ["--num_workers", "1"] });
  assert.equal((await ask(gateway)).status, 200);
  const second = await ask(gateway);
  assert.equal(second.status, 200, second.text);
  assert.match(second.text, /number 3/);
  assert.equal(second.headers.get("x-litellm-attempted-retries"), "0");
  assert.equal(upstream.connections, 2);
});

for (const [name, header, least, most] of [
  ["seconds", () => "retry-after: 7\r\n", 5000, 7000],
  ["a date", () => `date: ${new Date().toUTCString()}\r\nretry-after: ${new Date(Date.now() + 9000).toUTCString()}\r\n`, 6000, 10000],
  ["retry-after-ms", () => "retry-after: 60\r\nretry-after-ms: 2500\r\n", 500, 2500],
])
  test(`C33 429 with ${name}: that target cools so long, another answers`, async (t) => {
    const error = { type: "error", error: { type: "rate_limit_error", message: "slow down" } };
    const busy = await startRaw(t, (socket) => socket.write(whole(error, { status: "429 Too Many Requests", headers: header() })));
    const good = await startRaw(t, (socket) => socket.write(whole(message())));
    const gateway = await gatewayFor(t, [at(busy.port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })]);
    const answer = await ask(gateway);
    assert.equal(answer.status, 200, answer.text);
    const [cooling] = (await deployments(gateway)).filter((d) => d.cooling_ms > 0);
    assert.ok(cooling.cooling_ms > least && cooling.cooling_ms <= most, `cools for ${cooling.cooling_ms} ms`);
    await ask(gateway);
    assert.equal(busy.requests.length, 1);
  });

test("C33 429 from the only target: forwarded with its headers", async (t) => {
  const error = { type: "error", error: { type: "rate_limit_error", message: "slow down" } };
  const busy = await startRaw(t, (socket) => socket.write(whole(error, { status: "429 Too Many Requests", headers: "retry-after: 12\r\n" })));
  const gateway = await gatewayFor(t, [at(busy.port)], { settings: "router_settings:\n  num_retries: 0\n" });
  const answer = await ask(gateway);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers.get("retry-after"), "12");
  assert.deepEqual(JSON.parse(answer.text), error);
});

test("C34 a spend cap: not tried again on that account, which stays out; the client is told not to retry", async (t) => {
  const error = { type: "error", error: { type: "rate_limit_error", message: "capped", details: { error_code: "organization_spend_limit_reached" } } };
  const capped = await startRaw(t, (socket) => socket.write(whole(error, { status: "429 Too Many Requests" })));
  const good = await startRaw(t, (socket) => socket.write(whole(message())));
  const rows = [at(capped.port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })];
  const gateway = await gatewayFor(t, rows);
  for (let i = 0; i < 4; i++) assert.equal((await ask(gateway)).status, 200);
  assert.equal(capped.requests.length, 1);
  const [cooling] = (await deployments(gateway)).filter((d) => d.cooling_ms > 0);
  assert.ok(cooling.cooling_ms > 600_000, `${cooling.cooling_ms} ms`);
  const alone = await gatewayFor(t, [at(capped.port)]);
  const answer = await ask(alone);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers.get("x-should-retry"), "false");
  assert.equal(answer.headers.get("retry-after"), null);
  assert.equal(capped.requests.length, 2);
});

test("C35 a storm of 500s: further attempts add at most a fifth to the load", async (t) => {
  const { gateway, upstream } = await startPair(t, { config: (up) => stormConfig(up) });
  await upstream.fault({ account: "*", kind: "status", status: 500, count: 100000 });
  const requests = 300;
  for (let i = 0; i < requests; i += 20)
    await Promise.all(Array.from({ length: 20 }, () => ask(gateway, { model: "m" }, { "x-litellm-num-retries": "3" })));
  const { accounts } = await upstream.state();
  const attempts = accounts.reduce((sum, account) => sum + account.requests, 0);
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: gateway.headers })).text();
  console.log(`measured: ${attempts} upstream attempts for ${requests} requests that all fail (${((attempts / requests - 1) * 100).toFixed(0)} % more)`);
  assert.ok(attempts <= requests * 1.2 + 10 + 30, `${attempts} attempts`);
  assert.ok(attempts > requests, "some were tried again");
  assert.ok(Number(/^warmpath_retries_denied_total (\d+)/m.exec(metrics)[1]) > 0);
});

function stormConfig(upstream) {
  const rows = upstream.accounts.map((account) => ({ url: upstream.url, key: account.api_key }));
  return anthropicConfig(rows, "router_settings:\n  disable_cooldowns: true\n");
}

test("C36 400: never tried again, the body arrives byte for byte", async (t) => {
  const text = '{ "type":"error",  "error":{"type":"invalid_request_error","message":"prompt is too long: 213462 tokens > 200000 maximum \\u00e9"},"request_id":"req_x"}\n';
  const refusing = await startRaw(t, (socket) => socket.write(whole(text, { status: "400 Bad Request" })));
  const gateway = await gatewayFor(t, [at(refusing.port), at(refusing.port, { key: "sk-ant-other" })]);
  const answer = await ask(gateway);
  assert.equal(answer.status, 400);
  assert.equal(answer.text, text);
  assert.equal(refusing.requests.length, 1);
});

test("C37 401 and 403: another target; when all refuse, a generic text without key or account", async (t) => {
  const error = { type: "error", error: { type: "authentication_error", message: "key sk-ant-raw of arn:aws:iam::123456789012:user/x is bad" } };
  for (const status of ["401 Unauthorized", "403 Forbidden"]) {
    const refusing = await startRaw(t, (socket) => socket.write(whole(error, { status })));
    const good = await startRaw(t, (socket) => socket.write(whole(message())));
    const gateway = await gatewayFor(t, [at(refusing.port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })]);
    assert.equal((await ask(gateway)).status, 200);
    await untilSaid(gateway, /answered 40[13]/); // the operator sees it
    const alone = await gatewayFor(t, [at(refusing.port)]);
    const answer = await ask(alone);
    assert.equal(answer.status, 502);
    assert.ok(!/sk-ant-raw|123456789012|arn:/.test(answer.text), answer.text);
    assert.ok(!/sk-ant-raw|123456789012/.test(gateway.output + alone.output));
  }
});

test("C38 404 for the model: another target serves it, else not_found_error", async (t) => {
  const error = { type: "error", error: { type: "not_found_error", message: "model: claude-sonnet-4-5" } };
  const lacking = await startRaw(t, (socket) => socket.write(whole(error, { status: "404 Not Found" })));
  const good = await startRaw(t, (socket) => socket.write(whole(message())));
  const gateway = await gatewayFor(t, [at(lacking.port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })]);
  assert.equal((await ask(gateway)).status, 200);
  const alone = await gatewayFor(t, [at(lacking.port)]);
  const answer = await ask(alone);
  assert.equal(answer.status, 404);
  assert.equal(JSON.parse(answer.text).error.type, "not_found_error");
});

test("C39 a stream whose first event is an error: another target, the client sees nothing of it", async (t) => {
  const failing = await startRaw(t, (socket) =>
    socket.write(streamHead + chunk(sse([["error", { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }]])) + "0\r\n\r\n"),
  );
  const good = await startRaw(t, (socket) => stream(socket));
  const gateway = await gatewayFor(t, [at(failing.port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })]);
  const answer = await ask(gateway, { stream: true });
  assert.equal(answer.status, 200);
  finished(answer);
  assert.ok(!answer.text.includes("event: error"));
  assert.equal(failing.requests.length, 1);
});

test("C42 an HTML page with 200 from all: 502, and nothing of the page", async (t) => {
  const page = await startRaw(t, (socket) => socket.write(whole("<html>internal-host-17 stack trace</html>", { type: "text/html" })));
  const gateway = await gatewayFor(t, [at(page.port)], { settings: "router_settings:\n  num_retries: 0\n" });
  for (const wanted of [true, false]) {
    const answer = await ask(gateway, { stream: wanted });
    assert.equal(answer.status, 502, answer.text);
    assert.ok(!answer.text.includes("internal-host-17"));
  }
  assert.ok(!gateway.output.includes("internal-host-17"));
});

test("C43 a stream that falls silent: pings meanwhile, then the upstream is let go and an error event sent", async (t) => {
  let closed = 0;
  const silent = await startRaw(t, (socket) => {
    socket.on("close", () => closed++);
    socket.write(streamHead + chunk(sse(events().slice(0, 3))));
  });
  const params = "      stream_idle_timeout: 2\n      keepalive_seconds: 0.4\n";
  const gateway = await gatewayFor(t, [at(silent.port, { params })]);
  const answer = await ask(gateway, { stream: true });
  assert.equal(answer.status, 200);
  assert.ok(answer.text.match(/event: ping/g)?.length >= 2, "pings kept the client alive");
  assert.equal(answer.text.match(/event: error/g)?.length, 1);
  await until("the upstream connection to close", () => closed === 1);
  const [row] = await gateway.rows(1);
  assert.equal(row.status, "failure");
  assert.equal(row.metadata.error_information?.error_code ?? row.error_code, "UPSTREAM_TIMEOUT");
});

test("C44 events byte by byte, with CRLF, with a byte order mark, on several data lines, of 5 MiB", async (t) => {
  const big = "x".repeat(5 * 1024 * 1024);
  const forms = {
    bytes: (socket) => {
      const bytes = sse(events());
      socket.write(streamHead);
      for (const byte of bytes) socket.write(chunk(byte));
      socket.write("0\r\n\r\n");
    },
    crlf: (socket) => socket.write(streamHead + chunk(sse(events(), "\r\n")) + "0\r\n\r\n"),
    mark: (socket) => socket.write(streamHead + chunk(`\uFEFF${sse(events())}`) + "0\r\n\r\n"),
    lines: (socket) => {
      const list = events();
      const split = `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,\ndata: "delta":{"type":"text_delta","text":"hello"}}\n\n`;
      socket.write(streamHead + chunk(sse(list.slice(0, 2)) + split + sse(list.slice(3))) + "0\r\n\r\n");
    },
    big: (socket) => socket.write(streamHead + chunk(sse(events(big))) + "0\r\n\r\n"),
  };
  const upstream = await startRaw(t, (socket, request) => forms[JSON.parse(request.body).messages[0].content](socket));
  const gateway = await gatewayFor(t, [at(upstream.port)]);
  for (const form of Object.keys(forms)) {
    const answer = await ask(gateway, { stream: true, messages: [{ role: "user", content: form }] });
    assert.equal(answer.status, 200, form);
    finished(answer);
    assert.ok(answer.text.includes(form === "big" ? big : "hello"), form);
  }
  assert.ok((await gateway.rows(5)).every((row) => row.status === "success"));
});

test("C48 endless heads, compressed answers, headers that Connection names: bounded, refused, stripped", async (t) => {
  let endless;
  const forms = {
    endless: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      endless = setInterval(() => socket.writable && socket.write(`x-${"a".repeat(100)}: ${"y".repeat(4000)}\r\n`.repeat(8)), 5);
      socket.on("close", () => clearInterval(endless));
    },
    flood: (socket) => socket.write(`HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(2000)}\r\n`),
    gzip: (socket) => socket.write(whole("\u001f\u008b not readable", { headers: "content-encoding: gzip\r\n" })),
    named: (socket) => socket.write(whole(message(), { headers: "connection: x-secret-hop\r\nx-secret-hop: 1\r\nkeep-alive: timeout=5\r\nset-cookie: a=b\r\nanthropic-organization-id: org\r\n" })),
  };
  t.after(() => clearInterval(endless));
  const upstream = await startRaw(t, (socket, request) => forms[JSON.parse(request.body).messages[0].content](socket));
  const gateway = await gatewayFor(t, [at(upstream.port)], { settings: "router_settings:\n  num_retries: 0\n  disable_cooldowns: true\n" });
  for (const form of ["endless", "flood", "gzip"]) {
    const answer = await ask(gateway, { messages: [{ role: "user", content: form }] });
    assert.equal(answer.status, 502, `${form}: ${answer.text}`);
  }
  const answer = await ask(gateway, { messages: [{ role: "user", content: "named" }] });
  assert.equal(answer.status, 200);
  for (const name of ["x-secret-hop", "set-cookie", "anthropic-organization-id"]) assert.equal(answer.headers.get(name), null, name);
});

test("C49 a redirect: not followed, credentials go nowhere", async (t) => {
  const elsewhere = await startRaw(t, (socket) => socket.write(whole(message("followed"))));
  const redirecting = await startRaw(t, (socket) =>
    socket.write(`HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:${elsewhere.port}/v1/messages\r\ncontent-length: 0\r\n\r\n`),
  );
  const gateway = await gatewayFor(t, [at(redirecting.port)], { settings: "router_settings:\n  num_retries: 0\n" });
  for (const wanted of [false, true]) assert.equal((await ask(gateway, { stream: wanted })).status, 502);
  assert.equal(elsewhere.connections, 0);
});

test("C50 a gateway that points at itself: 508, once round", async (t) => {
  const placeholder = await deadPort();
  const gateway = await gatewayFor(t, [at(placeholder, { key: masterKey })], { args: ["--port", `${placeholder}`] });
  const answer = await ask(gateway);
  assert.equal(answer.status, 508, answer.text);
  const rows = await gateway.rows(2);
  assert.equal(rows.length, 2, "the request went round once");
  assert.equal((await ask(gateway, { stream: true })).status, 508);
});

test("C52 all targets down: 503 with retry-after, at once, and no queue", async (t) => {
  const ports = [await deadPort(), await deadPort()];
  const gateway = await gatewayFor(t, ports.map((port) => at(port)), { settings: "router_settings:\n  cooldown_time: 3\n" });
  const answers = [];
  for (let i = 0; i < 10; i++) answers.push(await ask(gateway));
  for (const { status } of answers) assert.ok([502, 503].includes(status), `${status}`);
  const last = answers.at(-1);
  assert.equal(last.status, 503, last.text);
  assert.match(last.text, /is healthy; try again in \d+ seconds/);
  const seconds = Number(last.headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 3, `retry-after ${seconds}`);
  const before = Date.now();
  await Promise.all(Array.from({ length: 200 }, () => ask(gateway)));
  assert.ok(Date.now() - before < 5000, "nothing waits");
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: gateway.headers })).text();
  assert.match(metrics, /^litellm_in_flight_requests 0$/m);
});

test("B21 upstream certificates: wrong ones fail closed, with a reason, without a storm", async (t) => {
  const folder = scratch();
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const issuer = authority(folder);
  const cases = {
    good: issuer.issue("good"),
    expired: issuer.issue("expired", { days: -1 }),
    "self-signed": issuer.issue("self", { self: true }),
    "wrong name": issuer.issue("name", { host: "elsewhere.example" }),
  };
  for (const [name, files] of Object.entries(cases)) {
    const upstream = await startRaw(t, (socket) => socket.write(whole(message())), { cert: readFileSync(files.cert), key: readFileSync(files.key) });
    const gateway = await gatewayFor(t, [{ url: `https://localhost:${upstream.port}` }], { args: ["--ca-file", issuer.ca] });
    const answer = await ask(gateway);
    assert.equal(answer.status, name === "good" ? 200 : 502, `${name}: ${answer.text}`);
    if (name === "good") continue;
    assert.equal(upstream.requests.length, 0, `${name}: nothing was sent`);
    assert.ok(upstream.accepted() <= 3, `${name}: ${upstream.accepted()} connections`);
    await untilSaid(gateway, /certificate/i);
    assert.match(answer.text, /TLS certificate or handshake/);
  }
});
