// Where credentials come from: each source against services on loopback, with expiry and failure.
import test from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { createHash, createVerify, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProvider, startGateway, scratch, model, masterKey, until } from "./support/processes.mjs";

const hello = { model, max_tokens: 20, messages: [{ role: "user", content: "hello" }] };

// A server of ours: `answer(request, body)` returns [status, body].
async function serve(t, answer) {
  const seen = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      const [status, text] = answer(request, body, seen.length);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof text === "string" ? text : JSON.stringify(text));
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

async function setUp(t, params, { env = {}, files = {}, home = scratch("warmpath-home-") } = {}) {
  const upstream = await startProvider({});
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(home, name, ".."), { recursive: true });
    writeFileSync(join(home, name), typeof text === "function" ? text(upstream.accounts[0], home) : text);
  }
  const lines = Object.entries(typeof params === "function" ? params(home, upstream) : params);
  const config = `model_list:
  - model_name: ${model}
    litellm_params:
${lines.map(([key, value]) => `      ${key}: ${value}\n`).join("")}
general_settings:
  master_key: ${masterKey}
`;
  const gateway = await startGateway({
    config,
    env: {
      HOME: home,
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: upstream.url,
      ...(typeof env === "function" ? env(upstream.accounts[0], home) : env),
    },
  });
  t.after(async () => {
    await gateway.stop();
    await upstream.stop();
    gateway.remove();
    rmSync(home, { recursive: true, force: true });
  });
  return { gateway, upstream, home, account: upstream.accounts[0] };
}

const bedrock = { model: `bedrock/${model}`, aws_region_name: "us-west-2" };

async function works({ gateway, upstream }) {
  const answer = await gateway.post("/v1/messages", hello);
  assert.equal(answer.status, 200, (await answer.text()) + gateway.output);
  assert.equal((await upstream.state()).unauthorized, 0);
}

// The client learns nothing about accounts; the operator reads the cause and the way out.
async function fails({ gateway }, pattern) {
  const answer = await gateway.post("/v1/messages", hello);
  assert.ok(answer.status >= 500, await answer.clone().text());
  await until(`the log to say ${pattern}`, () => pattern.test(gateway.output), 3000);
}

const jsonKeys = (account, minutes = 60) => ({
  Code: "Success",
  AccessKeyId: account.aws_access_key_id,
  SecretAccessKey: account.aws_secret_access_key,
  Token: "",
  Expiration: new Date(Date.now() + minutes * 60000).toISOString(),
});

test("environment variables", async (t) => {
  await works(await setUp(t, bedrock, { env: (a) => ({ AWS_ACCESS_KEY_ID: a.aws_access_key_id, AWS_SECRET_ACCESS_KEY: a.aws_secret_access_key }) }));
});

test("a Bedrock API key in the environment", async (t) => {
  await works(await setUp(t, bedrock, { env: (a) => ({ AWS_BEARER_TOKEN_BEDROCK: a.bearer }) }));
});

test("credential_process, and a failing one", async (t) => {
  const script = (account) => `#!/bin/sh\necho '${JSON.stringify({ Version: 1, ...jsonKeys(account) })}'\n`;
  const home = scratch("warmpath-home-");
  const good = await setUp(t, { ...bedrock, aws_profile_name: "p" }, {
    home,
    files: { "keys.sh": script, ".aws/config": (a, h) => (chmodSync(join(h, "keys.sh"), 0o700), `[profile p]\ncredential_process = "${h}/keys.sh" --json\n`) },
  });
  await works(good);
  const bad = await setUp(t, { ...bedrock, aws_profile_name: "p" }, { files: { ".aws/config": "[profile p]\ncredential_process = /bin/false\n" } });
  await fails(bad, /credential_process of profile p failed/);
});

test("a profile that does not exist names the command that mends it", async (t) => {
  await fails(await setUp(t, { ...bedrock, aws_profile_name: "nobody" }), /aws configure --profile nobody/);
});

const assumed = (account) => `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${account.aws_access_key_id}</AccessKeyId>
<SecretAccessKey>${account.aws_secret_access_key}</SecretAccessKey><SessionToken>session-token</SessionToken>
<Expiration>${new Date(Date.now() + 3600000).toISOString()}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;

test("a role through STS: source_profile, external id, many requests and one call", async (t) => {
  let account;
  const sts = await serve(t, () => [200, assumed(account)]);
  const place = await setUp(t, { ...bedrock, aws_profile_name: "worker", aws_sts_endpoint: sts.url }, {
    files: {
      ".aws/config": "[profile worker]\nrole_arn = arn:aws:iam::123456789012:role/worker\nsource_profile = base\nexternal_id = e-1\nrole_session_name = s-1\n[profile base]\n",
      ".aws/credentials": "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = base-secret\n",
    },
  });
  account = place.account;
  const answers = await Promise.all(Array.from({ length: 8 }, () => place.gateway.post("/v1/messages", hello)));
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.equal(sts.seen.length, 1, "one refresh for all");
  const form = new URLSearchParams(sts.seen[0].body);
  assert.equal(form.get("RoleArn"), "arn:aws:iam::123456789012:role/worker");
  assert.equal(form.get("ExternalId"), "e-1");
  assert.equal(form.get("RoleSessionName"), "s-1");
  assert.match(sts.seen[0].headers.authorization, /Credential=AKIABASE\/\d{8}\/us-west-2\/sts\/aws4_request/);
});

test("a refused role says so", async (t) => {
  const sts = await serve(t, () => [403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"]);
  const place = await setUp(t, { ...bedrock, aws_access_key_id: "AKIABASE", aws_secret_access_key: "s", aws_role_name: "arn:aws:iam::1:role/x", aws_sts_endpoint: sts.url });
  await fails(place, /STS refused the role arn:aws:iam::1:role\/x with 403 AccessDenied/);
});

test("web identity", async (t) => {
  let account;
  const sts = await serve(t, () => [200, assumed(account)]);
  const place = await setUp(t, (home) => ({ ...bedrock, aws_role_name: "arn:aws:iam::1:role/pod", aws_web_identity_token: join(home, "token"), aws_sts_endpoint: sts.url }), {
    files: { token: "a.web.token\n" },
  });
  account = place.account;
  await works(place);
  const form = new URLSearchParams(sts.seen[0].body);
  assert.equal(form.get("Action"), "AssumeRoleWithWebIdentity");
  assert.equal(form.get("WebIdentityToken"), "a.web.token");
  assert.equal(sts.seen[0].headers.authorization, undefined);
});

const ssoFiles = (expiresAt) => ({
  ".aws/config": "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Engineer\n[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n",
  [`.aws/sso/cache/${createHash("sha1").update("corp").digest("hex")}.json`]: JSON.stringify({
    accessToken: "sso-access", refreshToken: "sso-refresh", clientId: "client", clientSecret: "client-secret", region: "eu-west-1", expiresAt,
  }),
});

test("SSO: the cached token serves, an expiring one is refreshed and written back", async (t) => {
  for (const [minutes, token] of [[60, "sso-access"], [1, "sso-access-2"]]) {
    let account;
    const portal = await serve(t, () => [200, { roleCredentials: { accessKeyId: account.aws_access_key_id, secretAccessKey: account.aws_secret_access_key, sessionToken: "", expiration: Date.now() + 3600000 } }]);
    const oidc = await serve(t, () => [200, { accessToken: "sso-access-2", expiresIn: 3600, refreshToken: "sso-refresh-2" }]);
    const place = await setUp(t, { ...bedrock, aws_profile_name: "dev" }, {
      env: { AWS_ENDPOINT_URL_SSO: portal.url, AWS_ENDPOINT_URL_SSO_OIDC: oidc.url },
      files: ssoFiles(new Date(Date.now() + minutes * 60000).toISOString()),
    });
    account = place.account;
    await works(place);
    assert.equal(portal.seen[0].url, "/federation/credentials?role_name=Engineer&account_id=123456789012");
    assert.equal(portal.seen[0].headers["x-amz-sso_bearer_token"], token);
    assert.equal(oidc.seen.length, minutes === 1 ? 1 : 0);
    const cache = JSON.parse(readFileSync(join(place.home, `.aws/sso/cache/${createHash("sha1").update("corp").digest("hex")}.json`)));
    assert.equal(cache.accessToken, token);
    assert.equal(cache.clientId, "client");
  }
});

test("C51 SSO: an expired session names the login command", async (t) => {
  const files = ssoFiles(new Date(Date.now() - 60000).toISOString());
  const oidc = await serve(t, () => [400, { error: "invalid_grant" }]);
  await fails(await setUp(t, { ...bedrock, aws_profile_name: "dev" }, { files, env: { AWS_ENDPOINT_URL_SSO_OIDC: oidc.url } }), /aws sso login --profile dev/);
});

test("the container's agent", async (t) => {
  let account;
  const agent = await serve(t, () => [200, jsonKeys(account)]);
  const place = await setUp(t, bedrock, {
    files: { "agent-token": "Basic agent" },
    env: (a, home) => ((account = a), { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/v1/credentials?id=7`, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(home, "agent-token") }),
  });
  await works(place);
  assert.equal(agent.seen[0].url, "/v1/credentials?id=7");
  assert.equal(agent.seen[0].headers.authorization, "Basic agent");
  const elsewhere = await setUp(t, bedrock, { env: { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://192.0.2.1/creds" } });
  await fails(elsewhere, /AWS_CONTAINER_CREDENTIALS_FULL_URI must be https/);
});

test("the instance metadata service, version 2", async (t) => {
  let account;
  const imds = await serve(t, (request) => {
    if (request.method === "PUT") return [200, "imds-token"];
    if (request.headers["x-aws-ec2-metadata-token"] !== "imds-token") return [401, ""];
    return request.url.endsWith("/") ? [200, "role-of-instance"] : [200, jsonKeys(account)];
  });
  const place = await setUp(t, bedrock, { env: (a) => ((account = a), { AWS_EC2_METADATA_DISABLED: "", AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.url }) });
  await works(place);
  assert.deepEqual(imds.seen.map((call) => call.method), ["PUT", "GET", "GET"]);
  assert.equal(imds.seen[2].url, "/latest/meta-data/iam/security-credentials/role-of-instance");
});

test("no credentials anywhere", async (t) => {
  await fails(await setUp(t, bedrock), /no AWS credentials/);
});

test("C51 keys that are refused are fetched anew once, and the request succeeds", async (t) => {
  let account, calls = 0;
  const agent = await serve(t, () => [200, { ...jsonKeys(account), ...(++calls === 1 ? { SecretAccessKey: "an-old-secret" } : {}) }]);
  const place = await setUp(t, bedrock, { env: (a) => ((account = a), { AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url }) });
  const answer = await place.gateway.post("/v1/messages", hello);
  assert.equal(answer.status, 200, await answer.text());
  assert.equal(calls, 2);
});

test("C51 keys are refreshed ahead of their expiry, and the old ones serve meanwhile", async (t) => {
  let account, calls = 0;
  const agent = await serve(t, () => [++calls === 1 ? 200 : 500, jsonKeys(account, 3)]);
  const place = await setUp(t, bedrock, { env: (a) => ((account = a), { AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url }) });
  for (let i = 0; i < 3; i++) await works(place);
  await until("the second fetch", () => calls >= 2, 3000);
  await works(place);
});

const vertex = (home, upstream) => ({
  model: "vertex_ai/claude-sonnet-4-5@20250929",
  vertex_project: "a-project",
  vertex_location: "us-east5",
  api_base: upstream.url,
});

test("a Google service account signs its assertion", async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  let account;
  const tokens = await serve(t, () => [200, { access_token: account.bearer, expires_in: 3600 }]);
  const place = await setUp(t, (home, upstream) => ({ ...vertex(home, upstream), vertex_credentials: join(home, "sa.json") }), {
    files: { "sa.json": JSON.stringify({ type: "service_account", client_email: "sa@p.iam.gserviceaccount.com", private_key: privateKey.export({ type: "pkcs8", format: "pem" }), token_uri: `${tokens.url}/token` }) },
  });
  account = place.account;
  await works(place);
  await works(place);
  assert.equal(tokens.seen.length, 1);
  const assertion = new URLSearchParams(tokens.seen[0].body).get("assertion").split(".");
  assert.ok(createVerify("RSA-SHA256").update(`${assertion[0]}.${assertion[1]}`).verify(publicKey, Buffer.from(assertion[2], "base64url")));
  const claims = JSON.parse(Buffer.from(assertion[1], "base64url"));
  assert.equal(claims.iss, "sa@p.iam.gserviceaccount.com");
  assert.equal(claims.aud, `${tokens.url}/token`);
});

test("Google: the user's own credentials, the metadata server, and a revoked key", async (t) => {
  let account;
  const tokens = await serve(t, () => [200, { access_token: account.bearer, expires_in: 3600 }]);
  const user = JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: "s", refresh_token: "r", token_uri: `${tokens.url}/token` });
  const own = await setUp(t, vertex, { files: { ".config/gcloud/application_default_credentials.json": user } });
  account = own.account;
  await works(own);
  assert.equal(new URLSearchParams(tokens.seen[0].body).get("refresh_token"), "r");
  const machine = await setUp(t, vertex, { env: { GCE_METADATA_HOST: tokens.url.slice("http://".length) } });
  await works(machine);
  assert.equal(tokens.seen[1].headers["metadata-flavor"], "Google");
  const revoked = await serve(t, () => [400, { error: "invalid_grant" }]);
  const bad = await setUp(t, vertex, { env: (a, home) => ({ GOOGLE_APPLICATION_CREDENTIALS: join(home, "adc.json") }), files: { "adc.json": user.replace(tokens.url, revoked.url) } });
  await fails(bad, /answered 400 invalid_grant/);
});
