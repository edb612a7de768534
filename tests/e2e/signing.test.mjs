// Our signatures against those of the two official signers, @smithy/signature-v4 and botocore:
// what a recording endpoint received is signed again by each, for the same moment.
import test from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { startGateway, masterKey } from "./support/processes.mjs";
import { runPython } from "./support/python.mjs";

const answer = JSON.stringify({
  id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "ok" }],
  stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 },
});

class Sha256 {
  constructor(secret) {
    this.hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret);
  }
  update(data) {
    this.hash.update(data);
  }
  async digest() {
    return new Uint8Array(this.hash.digest());
  }
}

async function recorder(t) {
  const seen = [];
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      seen.push({ method: request.method, target: request.url, headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(200, { "content-type": "application/json" });
      response.end(answer);
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

const keys = { access: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token: "IQoJb3JpZ2luX2VjE//example+token==" };
const arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6";

// name → litellm_params beyond the keys, in YAML; what is to be signed as.
const deployments = {
  plain: { model: "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0" },
  global: { model: "bedrock/global.anthropic.claude-opus-4-6-v1", aws_region_name: "eu-central-1" },
  profile: { model: "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", model_id: arn },
  token: { model: "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", aws_session_token: keys.token },
  headers: {
    model: "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    extra_headers: '{"X-Amzn-Bedrock-Service-Tier": "flex", "x-team": "  a   b  "}',
  },
  messages: { model: "bedrock/messages/us.anthropic.claude-opus-5" },
  mantle: { model: "bedrock/mantle/anthropic.claude-opus-4-8" },
  aws: { model: "bedrock/claude_platform/claude-sonnet-4-5", extra_headers: '{"anthropic-workspace-id": "wrkspc_1"}' },
};
const services = { mantle: "bedrock-mantle", aws: "aws-external-anthropic" };

function config(url) {
  const one = ([name, params]) => {
    const all = { aws_access_key_id: keys.access, aws_secret_access_key: keys.secret, aws_region_name: "us-east-1", api_base: url, ...params };
    return `  - model_name: ${name}\n    litellm_params:\n${Object.entries(all).map(([key, value]) => `      ${key}: ${value}\n`).join("")}`;
  };
  return `model_list:\n${Object.entries(deployments).map(one).join("")}general_settings:\n  master_key: ${masterKey}\n`;
}

const bodies = [
  { max_tokens: 20, messages: [{ role: "user", content: "hello" }] },
  { max_tokens: 20, stream: true, messages: [{ role: "user", content: "ä ✓ 😀 \u0000 \\ \" /" }] },
  { max_tokens: 20, system: "x".repeat(300000), messages: [{ role: "user", content: "long" }] },
];

function signedParts(request) {
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
    request.headers.authorization,
  );
  assert.ok(match, request.headers.authorization);
  const [, , , region, service, names, signature] = match;
  return { region, service, names: names.split(";"), signature };
}

async function bySmithy(request, parts, token) {
  const signer = new SignatureV4({
    credentials: { accessKeyId: keys.access, secretAccessKey: keys.secret, sessionToken: token },
    region: parts.region,
    service: parts.service,
    sha256: Sha256,
    applyChecksum: parts.names.includes("x-amz-content-sha256"),
    uriEscapePath: true,
  });
  const [path, query] = request.target.split("?");
  const headers = Object.fromEntries(parts.names.map((name) => [name, request.headers[name]]));
  const signed = await signer.sign(
    {
      method: request.method, protocol: "http:", hostname: "127.0.0.1", path, headers, body: request.body,
      query: Object.fromEntries(new URLSearchParams(query ?? "")),
    },
    { signingDate: new Date(request.headers["x-amz-date"].replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z")) },
  );
  return signed.headers.authorization.split("Signature=")[1];
}

test("the same request has the same signature by @smithy/signature-v4 and by botocore", async (t) => {
  const upstream = await recorder(t);
  const gateway = await startGateway({ config: config(upstream.url) });
  t.after(async () => {
    await gateway.stop();
    gateway.remove();
  });
  for (const model of Object.keys(deployments))
    for (const body of bodies) await (await gateway.post("/v1/messages", { model, ...body })).text();
  const signed = upstream.seen.filter((request) => request.headers.authorization);
  assert.ok(signed.length >= Object.keys(deployments).length * bodies.length, `${signed.length} requests`);
  const tasks = [];
  for (const request of signed) {
    const parts = signedParts(request);
    const token = request.headers["x-amz-security-token"];
    assert.ok(parts.names.includes("host") && parts.names.includes("x-amz-date"));
    if (token) assert.ok(parts.names.includes("x-amz-security-token"));
    assert.equal(await bySmithy(request, parts, token), parts.signature, `smithy: ${request.target} ${parts.names}`);
    tasks.push({
      method: request.method, url: `http://${request.headers.host}${request.target}`, service: parts.service, region: parts.region,
      headers: Object.fromEntries(parts.names.map((name) => [name, request.headers[name]])), body: request.body.toString("base64"),
      date: request.headers["x-amz-date"], access_key: keys.access, secret_key: keys.secret, token,
    });
  }
  const others = await runPython("sign.py", { input: JSON.stringify(tasks) });
  for (const [i, request] of signed.entries()) assert.equal(others[i], signedParts(request).signature, `botocore: ${request.target}`);
  const used = new Set(signed.map((request) => signedParts(request).service));
  for (const service of ["bedrock", ...Object.values(services)]) assert.ok(used.has(service), service);
  assert.ok(signed.some((request) => request.target.includes(encodeURIComponent(arn))));
  console.log(`measured ${signed.length} requests signed alike by Warmpath, @smithy/signature-v4 and botocore`);
});
