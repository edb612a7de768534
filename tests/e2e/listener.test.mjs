// The listener: TLS, and the one row that each request leaves, also those that are turned away
// before anybody has looked at them.
import test from "node:test";
import assert from "node:assert/strict";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPair, model, masterKey, scratch, twoAccounts, until } from "./support/processes.mjs";

const good = { model, max_tokens: 20, messages: [{ role: "user", content: "hello" }] };

function certificate(folder, name) {
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files.key, "-out", files.cert], { stdio: "ignore" });
  return files;
}

function request(port, ca, body) {
  return new Promise((done, fail) => {
    const call = https.request(
      { host: "127.0.0.1", port, ca, path: "/v1/messages", method: "POST", agent: false,
        headers: { authorization: `Bearer ${masterKey}`, "content-type": "application/json" } },
      (answer) => {
        const subject = answer.socket.getPeerCertificate().subject.CN;
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk) => (text += chunk)).on("end", () => done({ status: answer.statusCode, text, subject }));
      },
    );
    call.on("error", fail).end(JSON.stringify(body));
  });
}

test("with a certificate the gateway speaks TLS and nothing else; SIGHUP brings a new one", async (t) => {
  const folder = scratch();
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = certificate(folder, "first");
  const { gateway } = await startPair(t, {
    config: () => twoAccounts(`
general_settings:
  master_key: ${masterKey}
  tls_certificate_file: ${files.cert}
  tls_key_file: ${files.key}
`),
  });
  assert.match(gateway.output, /listening on https:\/\/127\.0\.0\.1:\d+ .*console at https:/);
  const whole = await request(gateway.port, readFileSync(files.cert), good);
  assert.equal(whole.status, 200, whole.text);
  const stream = await request(gateway.port, readFileSync(files.cert), { ...good, stream: true });
  assert.match(stream.text, /^event: message_stop$/m);
  await assert.rejects(request(gateway.port, undefined, good), /self.signed|unable to verify/i);
  await assert.rejects(new Promise((_done, fail) => tls.connect({ host: "127.0.0.1", port: gateway.port, ca: readFileSync(files.cert), maxVersion: "TLSv1.1", minVersion: "TLSv1" }).on("error", fail)));

  const plain = net.connect(gateway.port, "127.0.0.1").on("error", () => {});
  plain.write(`GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\n\r\n`);
  let answered = "";
  plain.on("data", (chunk) => (answered += chunk.toString("latin1")));
  await new Promise((done) => plain.once("close", done));
  assert.ok(!answered.includes(model), "nothing is served without TLS");

  certificate(folder, "second");
  gateway.child.kill("SIGHUP");
  await until("the new certificate", async () => {
    const answer = await request(gateway.port, readFileSync(files.cert), good).catch(() => null);
    return answer?.subject === "second";
  });
});

// Raw bytes; resolves with the head of the answer.
function raw(port, text) {
  return new Promise((done) => {
    const socket = net.connect(port, "127.0.0.1").on("error", () => {});
    socket.write(text);
    socket.once("data", (data) => { done(data.toString().split("\r\n")[0]); socket.destroy(); });
  });
}

test("each request that is turned away leaves exactly one row, and reaches nobody", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const auth = `authorization: Bearer ${masterKey}\r\n`;
  const head = (more) => `POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${more}`;
  const unknown = JSON.stringify({ ...good, model: "nobody" });
  const cases = [
    [413, head(`${auth}content-length: ${64 << 20}\r\n\r\n{`)],
    [401, head(`content-length: 2\r\n\r\n{}`)],
    [401, head(`authorization: Bearer sk-wrong\r\ncontent-length: 2\r\n\r\n{}`)],
    [400, head(`${auth}content-length: 5\r\n\r\n{"a":`)],
    [404, head(`${auth}content-length: ${unknown.length}\r\n\r\n${unknown}`)],
    [415, head(`${auth}content-encoding: br\r\ncontent-length: 2\r\n\r\n{}`)],
    [431, head(`${auth}${"x: y\r\n".repeat(400)}\r\n`)],
    [431, head(`${auth}x: ${"y".repeat(100000)}\r\n\r\n`)],
  ];
  for (const [status, text] of cases) assert.match(await raw(gateway.port, text), new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 200));
  const rows = await gateway.rows(cases.length);
  assert.deepEqual(rows.map((row) => row.http_status).sort(), cases.map(([status]) => status).sort());
  for (const row of rows) {
    assert.equal(row.status, "failure");
    assert.ok(row.error_code && row.error_message, JSON.stringify(row));
    assert.equal(row.requester_ip_address, "127.0.0.1");
    assert.equal(row.spend, 0);
  }
  assert.equal((await upstream.state()).accounts.reduce((sum, account) => sum + account.requests, 0), 0);
  assert.equal((await gateway.post("/v1/messages", good)).status, 200);
  assert.equal((await gateway.rows(cases.length + 1)).length, cases.length + 1);
});

test("addresses are left out of the ledger when that is asked for", async (t) => {
  const { gateway } = await startPair(t, {
    config: () => twoAccounts(`\ngeneral_settings:\n  master_key: ${masterKey}\n  disable_requester_ip_address_logging: true\n`),
  });
  await (await gateway.post("/v1/messages", good)).text();
  await raw(gateway.port, "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}");
  for (const row of await gateway.rows(2)) assert.equal(row.requester_ip_address, "");
});

test("a reload that drops the master key is refused where others could connect", async (t) => {
  const { gateway } = await startPair(t, { args: ["--host", "0.0.0.0"] });
  const before = readFileSync(gateway.file, "utf8");
  writeFileSync(gateway.file, before.replace(/^.*master_key.*$/m, "  store_prompts_in_spend_logs: false"));
  gateway.child.kill("SIGHUP");
  await until("the refusal", () => /reload of .* failed, the old configuration stays/.test(gateway.output));
  assert.match(gateway.output, /refusing to listen on 0\.0\.0\.0 without general_settings\.master_key/);
  const answer = await fetch(`${gateway.url}/v1/messages`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(good) });
  assert.equal(answer.status, 401);
});
