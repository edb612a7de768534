// Keys, abuse, secrets, the console's API. Numbers are those of the fault table
// (docs/reliability.md).
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createRequire } from "node:module";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { masterKey, model, root, sleep, startGateway, startPair, until } from "./support/processes.mjs";
import { anthropicConfig, ask, body, deadPort, events, message, startRaw, sse, streamHead, chunk, whole } from "./support/raw.mjs";
import { shim } from "./support/shim.mjs";

const at = (port, extra = {}) => ({ url: `http://127.0.0.1:${port}`, ...extra });
async function gatewayFor(t, rows, { settings = "", general = "", args = [], env = {} } = {}) {
  const gateway = await startGateway({ config: anthropicConfig(rows, settings, general), args, env });
  t.after(async () => {
    await gateway.stop();
    gateway.remove();
  });
  return gateway;
}
const say = (port, bytes) =>
  new Promise((done) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.on("data", (data) => (text += data.toString("latin1")));
    socket.on("error", () => done(text));
    socket.on("close", () => done(text));
    setTimeout(() => socket.destroy(), 4000).unref();
  });

test("E61 keys that are SQL, a megabyte, NUL, or two that differ: 401, and never a word of them", async (t) => {
  const upstream = await startRaw(t, (socket) => socket.write(whole(message())));
  const gateway = await gatewayFor(t, [at(upstream.port)], { general: "  failed_keys_per_minute: 0\n" });
  const post = (headers) => fetch(`${gateway.url}/v1/messages`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body()) });
  for (const headers of [
    { authorization: "Bearer ' OR '1'='1" },
    { "x-api-key": "' OR 1=1; DROP TABLE request; --" },
    { authorization: `Bearer ${masterKey}`, "x-api-key": "sk-another" },
    { authorization: "Bearer sk-another", "x-api-key": masterKey },
    { "x-litellm-api-key": "sk-another", authorization: `Bearer ${masterKey}` },
    { "x-api-key": masterKey.slice(0, -1) },
    { "x-api-key": `${masterKey}x` },
  ]) {
    const answer = await post(headers);
    const text = await answer.text();
    assert.equal(answer.status, 401, text);
    assert.ok(!/sk-another|DROP|OR '1'/.test(text), text);
  }
  assert.match(await say(gateway.port, `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${"k".repeat(1 << 20)}\r\ncontent-length: 0\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await say(gateway.port, `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${masterKey}\0\r\ncontent-length: 0\r\n\r\n`), /^HTTP\/1\.1 400 /);
  assert.equal((await post({ "x-api-key": masterKey, authorization: `Bearer ${masterKey}` })).status, 200);
  assert.equal((await post({ "x-api-key": masterKey, authorization: "Bearer sk-ant-oat01-own" })).status, 200);
  assert.equal(upstream.requests.length, 2);
});

test("E66 callers choose no destination; link-local and metadata addresses are refused at the dialler", async (t) => {
  const day = shim(t);
  const chosen = await startRaw(t, (socket) => socket.write(whole(message("stolen"))));
  const upstream = await startRaw(t, (socket) => socket.write(whole(message())));
  const metadata = ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0.0.0.0", "rebind.test"];
  day.set({ "dns.rebind.test": "169.254.169.254" });
  const rows = [at(upstream.port), ...metadata.map((host, i) => ({ name: `meta-${i}`, url: `http://${host}:${upstream.port}` })),
    { name: "allowed", url: `http://0.0.0.0:${upstream.port}`, params: "      allow_link_local: true\n" }];
  const gateway = await gatewayFor(t, rows, { env: day.env, settings: "router_settings:\n  num_retries: 0\n" });
  const lure = `http://127.0.0.1:${chosen.port}`;
  const answer = await ask(gateway, { api_base: lure, base_url: lure, custom_llm_provider: "openai", api_key: "sk-x" },
    { "x-litellm-api-base": lure, "x-portkey-custom-host": lure, "x-forwarded-host": `127.0.0.1:${chosen.port}`, "x-api-base": lure, forwarded: `host=127.0.0.1:${chosen.port}` });
  assert.ok([200, 400].includes(answer.status), answer.text);
  assert.match(await say(gateway.port, `GET ${lure}/v1/models HTTP/1.1\r\nhost: 127.0.0.1:${chosen.port}\r\nx-api-key: ${masterKey}\r\nconnection: close\r\n\r\n`), /^HTTP\/1\.1 200 /);
  assert.equal(chosen.connections, 0);
  for (let i = 0; i < metadata.length; i++) {
    const refused = await ask(gateway, { model: `meta-${i}` });
    assert.equal(refused.status, 502, `${metadata[i]}: ${refused.text}`);
    const logged = gateway.output;
    assert.match(logged, /link-local or metadata address/);
  }
  assert.equal((await ask(gateway, { model: "allowed" })).status, 200, "allow_link_local opens it");
});

test("E67 guessing keys: an address has to wait after 30, the console too; a key that works there goes on working", async (t) => {
  const upstream = await startRaw(t, (socket) => socket.write(whole(message())));
  const gateway = await gatewayFor(t, [at(upstream.port)]);
  const post = (key) => fetch(`${gateway.url}/v1/messages`, { method: "POST", headers: { "content-type": "application/json", "x-api-key": key }, body: JSON.stringify(body()) });
  const statuses = [];
  for (let i = 0; i < 40; i++) {
    const answer = await post(`guess-${i}`);
    statuses.push(answer.status);
    if (answer.status === 429) assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  }
  assert.deepEqual(statuses, [...Array(30).fill(401), ...Array(10).fill(429)]);
  assert.equal((await post(masterKey)).status, 429, "the right guess is told nothing either");
  const signIn = (key) => fetch(`${gateway.url}/ui/api/session`, { method: "POST", body: JSON.stringify({ key }) });
  assert.equal((await signIn("guess")).status, 429);
  const other = await gatewayFor(t, [at(upstream.port)]);
  const postOther = (key) => fetch(`${other.url}/v1/messages`, { method: "POST", headers: { "content-type": "application/json", "x-api-key": key }, body: JSON.stringify(body()) });
  assert.equal((await postOther(masterKey)).status, 200);
  for (let i = 0; i < 35; i++) await postOther(`guess-${i}`);
  assert.equal((await postOther("guess")).status, 429);
  assert.equal((await postOther(masterKey)).status, 200);
});

test("E67 the time to refuse a key tells nothing about it", async (t) => {
  const gateway = await gatewayFor(t, [at(await deadPort())], { general: "  failed_keys_per_minute: 0\n", args: ["--num_workers", "1"] });
  const guesses = { first: "x", prefix: masterKey.slice(0, -1), last: `${masterKey.slice(0, -1)}~`, other: "z".repeat(masterKey.length) };
  const times = Object.fromEntries(Object.keys(guesses).map((name) => [name, []]));
  const agent = { "content-type": "application/json" };
  for (let i = 0; i < 300; i++)
    for (const [name, key] of Object.entries(guesses)) {
      const begun = process.hrtime.bigint();
      await (await fetch(`${gateway.url}/v1/models`, { headers: { ...agent, "x-api-key": key } })).arrayBuffer();
      times[name].push(Number(process.hrtime.bigint() - begun) / 1000);
    }
  const medians = Object.values(times).map((list) => list.sort((a, b) => a - b)[150]);
  console.log(`measured: medians of 300 refusals each, by guess: ${medians.map((us) => `${us.toFixed(0)} us`).join(", ")}`);
  assert.ok(Math.max(...medians) - Math.min(...medians) < Math.max(200, Math.min(...medians) * 0.3), medians.join(" "));
});

test("E69 JSON that is deep, huge, doubled, cut in the middle of a surrogate, or 1e9999: bounded, passed or 400", async (t) => {
  const upstream = await startRaw(t, (socket) => socket.write(whole(message())));
  const gateway = await gatewayFor(t, [at(upstream.port)], { settings: "router_settings:\n  num_retries: 0\n" });
  const start = '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":';
  const cases = {
    deep: `${start}${"[".repeat(200000)}${"]".repeat(200000)}}]}`,
    deepObject: `${start}${'{"a":'.repeat(100000)}1${"}".repeat(100000)}}]}`,
    huge: `${start}"${"x".repeat(20 << 20)}"}]}`,
    doubled: '{"model":"nothing","model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}',
    surrogate: `${start}"\\ud800"}]}`,
    infinite: '{"model":"m","max_tokens":1e9999,"messages":[{"role":"user","content":"x"}]}',
    bytes: Buffer.concat([Buffer.from(`${start}"`), Buffer.from([0xff, 0xfe, 0xc0]), Buffer.from('"}]}')]),
  };
  for (const [name, text] of Object.entries(cases)) {
    const begun = Date.now();
    const answer = await gateway.post("/v1/messages", text);
    await answer.text();
    assert.ok([200, 400, 404, 413].includes(answer.status), `${name}: ${answer.status}`);
    assert.ok(Date.now() - begun < 5000, name);
  }
  assert.equal((await ask(gateway)).status, 200);
});

test("E70 line ends and terminal codes in what callers and upstreams say: escaped", async (t) => {
  const evil = "fine\r\n2026-01-01T00:00:00Z error config: forged\u001b[2J\u001b]0;owned\u0007";
  const failing = await startRaw(t, (socket) => socket.write(whole({ type: "error", error: { type: "api_error", message: evil } }, { status: "500 Internal Server Error" })));
  const gateway = await gatewayFor(t, [at(failing.port)], { args: ["--log-level", "debug"] });
  await ask(gateway);
  await ask(gateway, { model: evil }, { "x-claude-code-session-id": "a-good-session-id" });
  await fetch(`${gateway.url}/no/${encodeURIComponent(evil)}`, { headers: gateway.headers });
  await gateway.rows(2);
  assert.ok(!/^2026-01-01T00:00:00Z error config: forged/m.test(gateway.output), gateway.output);
  assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f]/.test(gateway.output), JSON.stringify(gateway.output));
});

test("G77 sessions: HttpOnly, SameSite=Strict, void with the key; other sites and frames get nothing", async (t) => {
  const { gateway } = await startPair(t);
  const signIn = await fetch(`${gateway.url}/ui/api/session`, { method: "POST", body: JSON.stringify({ key: masterKey }) });
  const cookie = signIn.headers.get("set-cookie");
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Strict/);
  const pair = cookie.split(";")[0];
  const get = (path, headers = {}) => fetch(`${gateway.url}${path}`, { headers: { cookie: pair, ...headers } });
  assert.equal((await get("/ui/api/summary")).status, 200);
  assert.equal((await get("/ui/api/summary", { origin: "https://elsewhere.example" })).status, 401);
  assert.equal((await get("/ui/api/summary", { origin: "null" })).status, 401);
  for (const path of ["/v1/messages", "/v1/messages/count_tokens"])
    assert.equal((await fetch(`${gateway.url}${path}`, { method: "POST", headers: { cookie: pair }, body: "{}" })).status, 401, "a session sends nothing to models");
  const [expiry, nonce, mac] = pair.split("=")[1].split(".");
  for (const forged of [`${Number(expiry) + 1}.${nonce}.${mac}`, `${expiry}.${nonce}.${"0".repeat(64)}`, `${expiry}..${mac}`, "x".repeat(5000)])
    assert.notEqual((await get("/ui/api/summary", { cookie: `warmpath_session=${forged}` })).status, 200);
  const page = await fetch(`${gateway.url}/ui/`);
  assert.match(page.headers.get("content-security-policy"), /frame-ancestors 'none'/);
  const options = await fetch(`${gateway.url}/ui/api/session`, { method: "OPTIONS", headers: { origin: "https://elsewhere.example", "access-control-request-method": "DELETE" } });
  assert.equal(options.headers.get("access-control-allow-origin"), null);
});

test("G76 markup, RTL marks and scripts in names and errors are inert text in the console", async (t) => {
  const browserPath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find((name) => name && existsSync(name));
  const { chromium } = createRequire(join(root, "ui/package.json"))("playwright-core");
  const { gateway } = await startPair(t);
  const evil = `<img src=x onerror="window.owned=1"><script>window.owned=1</script>\u202Etxt.exe[x](javascript:alert(1))`;
  await ask(gateway, { model: evil });
  await (await gateway.post("/v1/messages", { model, max_tokens: 5, messages: [{ role: "user", content: evil }] }, { "user-agent": `Mozilla ${evil}`.replace(/[^\x20-\x7e]/g, "") })).text();
  await gateway.rows(2);
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(15000);
  await page.goto(`${gateway.url}/ui/`);
  await page.fill("input[type=password]", masterKey);
  await page.keyboard.press("Enter");
  await page.locator("[data-id]").first().waitFor();
  for (const row of await page.locator("[data-id]").all()) {
    await row.click();
    await page.waitForTimeout(300);
    await page.keyboard.press("Escape");
  }
  assert.equal(await page.evaluate("window.owned"), undefined);
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.equal(await page.locator('a[href^="javascript:"]').count(), 0);
});

test("G80 wildcards, giant ranges and pages, a thousand queries at once: capped, and requests do not notice", async (t) => {
  const { gateway } = await startPair(t);
  for (let i = 0; i < 5; i++) await (await gateway.post("/v1/messages", { model, max_tokens: 5, messages: [{ role: "user", content: "x" }] })).text();
  await gateway.rows(5);
  const get = (query) => fetch(`${gateway.url}/spend/logs/ui?${query}`, { headers: gateway.headers });
  assert.equal((await (await get("search=%25")).json()).total, 0, "% is a character, not a wildcard");
  assert.equal((await (await get("search=_____")).json()).total, 0);
  const giant = await (await get("page_size=1000000&start_date=1970-01-01&end_date=2200-12-31")).json();
  assert.ok(giant.page_size <= 1000, `${giant.page_size}`);
  assert.deepEqual((await (await get("page=999999999")).json()).data, []);
  assert.equal((await get("start_date=yesterday")).status, 400);
  const long = await get(`search=${"%25".repeat(5000)}`);
  assert.ok([200, 400, 414].includes(long.status), `${long.status} ${await long.text()}`);
  const flood = Array.from({ length: 1000 }, (_, i) => get(`search=${i}&page_size=1000`).then((answer) => answer.arrayBuffer().then(() => answer.status)));
  const times = [];
  for (let i = 0; i < 10; i++) {
    // in a process of its own: this one is busy with the flood
    const curl = ["-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-H", `x-api-key: ${masterKey}`, "-d", JSON.stringify({ model, max_tokens: 5, messages: [{ role: "user", content: "x" }] }), `${gateway.url}/v1/messages`];
    const [status, seconds] = (await promisify(execFile)("curl", curl)).stdout.split(" ");
    assert.equal(status, "200");
    times.push(Math.round(Number(seconds) * 1000));
  }
  const statuses = await Promise.all(flood);
  assert.ok(statuses.every((status) => [200, 429, 503].includes(status)), [...new Set(statuses)].join(" "));
  assert.ok(Math.max(...times) < 2000, `${times.join(" ")} ms`);
});

// Secrets ----------------------------------------------------------------------------------------

test("E68 no output holds a secret or a prompt: answers, errors, logs, metrics, database, console, a crash", async (t) => {
  const marks = {
    master: "sk-MARKER-master-7f3a91", provider: "sk-ant-MARKER-provider-c04d", secret: "MARKER/aws/secret/key/0123456789abcdefghij",
    token: "MARKER-session-token-88aa17", caller: "sk-MARKER-wrong-key-5511", cookie: "MARKER-cookie-value-9d", prompt: "MARKER-prompt-text-e1b2", bearer: "MARKER-bedrock-bearer-3c", header: "MARKER-extra-header-61f",
  };
  const errors = {
    400: [400, `bad input: with ${marks.provider}`], 401: [401, `key ${marks.provider} is unknown`], 403: [403, `no access for ${marks.secret}`],
    404: [404, "model"], 429: [429, `slow down ${marks.provider}`], 500: [500, `trace: authorization: Bearer ${marks.provider}`], 529: [529, "overloaded"],
  };
  const names = { 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many", 500: "Error", 529: "Overloaded" };
  const upstream = await startRaw(t, (socket, request) => {
    const script = /do:(\w+)/.exec(request.body)?.[1];
    if (errors[script]) {
      const [status, text] = errors[script];
      socket.write(whole({ type: "error", error: { type: "api_error", message: text } }, { status: `${status} ${names[script]}` }));
    } else if (script === "html") socket.write(whole(`<html>${marks.provider}</html>`, { type: "text/html" }));
    else if (script === "cut") {
      socket.write(streamHead + chunk(sse(events().slice(0, 3))));
      setTimeout(() => socket.destroy(), 20);
    } else if (script === "reset") socket.destroy();
    else if (/"stream": ?true/.test(request.body)) socket.write(streamHead + chunk(sse(events())) + "0\r\n\r\n");
    else socket.write(whole(message()));
  });
  const config = `model_list:
  - model_name: m
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: "http://127.0.0.1:${upstream.port}", api_key: ${marks.provider}, extra_headers: {x-extra: ${marks.header}}}
  - model_name: aws
    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, aws_access_key_id: AKIAMARKER0000000001, aws_secret_access_key: ${marks.secret}, aws_session_token: ${marks.token}, aws_region_name: us-west-2, aws_bedrock_runtime_endpoint: "http://127.0.0.1:${upstream.port}"}
  - model_name: bearer
    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, api_key: ${marks.bearer}, aws_region_name: us-west-2, aws_bedrock_runtime_endpoint: "http://127.0.0.1:${upstream.port}"}
router_settings: {num_retries: 1, disable_cooldowns: true}
general_settings: {master_key: ${marks.master}}
`;
  const gateway = await startGateway({ config, key: marks.master, args: ["--log-level", "debug"] });
  t.after(() => gateway.remove());
  const outputs = [];
  const keep = async (answer) => outputs.push(`${answer.status} ${[...answer.headers].map((pair) => pair.join(": ")).join("\n")}\n${await answer.text()}`);
  const session = { "x-claude-code-session-id": "a-session-of-the-scan", cookie: `other=${marks.cookie}` };
  for (const wanted of ["m", "aws", "bearer"])
    for (const stream of [false, true])
      for (const script of ["ok", ...Object.keys(errors), "html", "cut", "reset"])
        await keep(await gateway.post("/v1/messages", { model: wanted, max_tokens: 9, stream, messages: [{ role: "user", content: `${marks.prompt} do:${script}` }] }, session));
  await keep(await gateway.post("/v1/messages", `{"model":"m","messages":[{"content":"${marks.prompt}`, session));
  await keep(await gateway.post("/v1/messages", { model: "no-such", messages: [{ role: "user", content: marks.prompt }] }));
  await keep(await gateway.post("/v1/messages/count_tokens", { model: "m", messages: [{ role: "user", content: marks.prompt }] }));
  for (const headers of [{ "x-api-key": marks.caller }, { authorization: `Bearer ${marks.caller}` }, { authorization: `Bearer ${marks.master}`, "x-api-key": marks.caller }])
    await keep(await fetch(`${gateway.url}/v1/messages`, { method: "POST", headers, body: "{}" }));
  await keep(await fetch(`${gateway.url}/ui/api/session`, { method: "POST", body: JSON.stringify({ key: marks.caller }) }));
  await keep(await fetch(`${gateway.url}/ui/api/session`, { method: "POST", body: JSON.stringify({ key: marks.master }) }));
  await gateway.rows(60);
  const rows = (await gateway.logs()).data;
  for (const path of ["/spend/logs/ui?page_size=100", "/metrics", "/model/info", "/health", "/v1/models", "/ui/api/summary", "/ui/api/deployments", "/user/daily/activity", "/health/readiness", "/ui/", "/ui/api/session",
    ...rows.slice(0, 70).map((row) => `/spend/logs/ui/${row.request_id}`), `/nowhere/${marks.caller}`.replace(marks.caller, "x"), "/inference-profiles"])
    await keep(await fetch(`${gateway.url}${path}`, { headers: gateway.headers }));
  const seen = upstream.requests.map((request) => request.head + request.body).join("\n");
  assert.ok(seen.includes(marks.provider) && seen.includes(marks.prompt) && seen.includes(marks.bearer) && seen.includes(marks.header), "the marks were really in use");
  assert.ok(!seen.includes(marks.cookie) && !seen.includes(marks.master), "the caller's cookie and key go no further");
  // What is in flight when it crashes must not be written anywhere either.
  const pending = gateway.post("/v1/messages", { model: "m", max_tokens: 9, messages: [{ role: "user", content: marks.prompt }] }).catch(() => {});
  gateway.child.kill("SIGABRT");
  await gateway.exit;
  await pending;
  outputs.push(gateway.output);
  const state = join(gateway.folder, "state");
  for (const name of readdirSync(state)) outputs.push(readFileSync(join(state, name)).toString("latin1"));
  assert.ok(!readdirSync(process.cwd()).some((name) => /^core/.test(name)));
  const all = outputs.join("\n");
  console.log(`measured: ${outputs.length} outputs, ${(all.length / 1e6).toFixed(1)} MB, searched for ${Object.keys(marks).length} marks`);
  for (const [name, mark] of Object.entries(marks)) {
    const found = outputs.filter((text) => text.includes(mark));
    assert.equal(found.length, 0, `${name}: ${found[0]?.slice(Math.max(0, found[0].indexOf(mark) - 300), found[0].indexOf(mark) + 80)}`);
  }
});
