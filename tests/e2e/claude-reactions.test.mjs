// What Claude Code does when things go wrong, directly at the provider and through the gateway: the
// same number of requests, the same form of each, the same last word. Where the gateway means to
// differ, the row says what it does instead.
import test, { describe } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startGateway, startPair, masterKey, model as bedrockModel, sleep, until } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";
import { startScripted, text, tool, thinkingThen, status, raw, reset, broken } from "./support/scripted.mjs";

const model = "claude-opus-4-8";

// One deployment without a cooldown and without retries of the gateway's own: what the client does
// is what is looked at. Without an api_key the caller's own subscription token goes through.
const config = (upstream, own) => `
model_list:
  - model_name: ${model}
    litellm_params:
      model: anthropic/${model}
      api_base: ${upstream.url}
${own ? "" : "      api_key: sk-ant-api03-scripted\n"}
router_settings:
  num_retries: 0
  disable_cooldowns: true
general_settings:
  master_key: ${masterKey}
`;

const settings = { ANTHROPIC_MODEL: model, CLAUDE_CODE_MAX_RETRIES: "2" };
const token = "sk-ant-oat01-scripted-token";

async function once(place, steps, options, behind) {
  const provider = await startScripted(steps);
  const gateway = behind ? await startGateway({ config: config(provider, options.own) }) : null;
  const env = { ...settings, ...options.env };
  if (options.own) {
    env.ANTHROPIC_AUTH_TOKEN = token;
    if (gateway) env.ANTHROPIC_CUSTOM_HEADERS = `x-litellm-api-key: ${masterKey}`;
  }
  try {
    const target = gateway ?? { url: provider.url, key: "sk-ant-api03-scripted" };
    let run;
    for (const [i, prompt] of (options.prompts ?? ["hello"]).entries())
      run = await runClaude(target, place, prompt, {
        args: ["--allowedTools", "Bash", ...(i > 0 ? ["--continue"] : [])],
        env,
        timeoutMs: 120000,
        // For a client that is expected to wait: long enough to see that it does.
        giveUp: behind && options.stopAfterMs ? until("a request", () => provider.requests.length > 0, 100000).then(() => sleep(options.stopAfterMs)) : null,
      });
    const made = join(place.work, "made");
    return {
      requests: provider.requests,
      forms: provider.requests.map((request) => (request.body.stream ? "s" : "n")).join(""),
      code: run.code,
      failed: run.result?.is_error,
      // The address of the gateway stands in some messages.
      said: (run.result?.result ?? run.out).replace(/127\.0\.0\.1:\d+/g, "HOST"),
      made: existsSync(made) ? readFileSync(made, "utf8") : "",
      rows: gateway ? (await gateway.rows(provider.requests.length)).length : null,
      output: gateway?.output,
    };
  } finally {
    await gateway?.stop();
    gateway?.remove();
    provider.stop();
  }
}

async function both(steps, options = {}) {
  const places = [makeHome(), makeHome()];
  try {
    return await Promise.all([once(places[0], steps, options, false), once(places[1], steps, options, true)]);
  } finally {
    for (const place of places) place.remove();
  }
}

const outcome = ({ forms, code, failed, said, made }) => ({ forms, code, failed, said, made });

// What each body was, without what differs between two runs of the client.
const shape = ({ body, headers }) => ({
  roles: body.messages.map((message) => message.role),
  thinking: body.thinking,
  max_tokens: body.max_tokens,
  blocks: body.messages.flatMap((message) => (Array.isArray(message.content) ? message.content.map((block) => block.type) : ["string"])),
  betas: (headers["anthropic-beta"] ?? "").split(",").filter((beta) => !beta.startsWith("oauth-")),
  fields: Object.keys(body),
});

// name → [steps, what is expected of both, options]
const same = {
  "200": [[text()], { forms: "s", code: 0, said: /^done$/ }],
  "400 is shown": [[status(400, "invalid_request_error", "something is off")], { forms: "s", code: 1, said: /400 something is off/ }],
  "401 of the caller's own token": [[status(401, "authentication_error", "OAuth token has expired")], { forms: "sss", code: 1, said: /401 OAuth token has expired/ }, { own: true }],
  "401 with x-should-retry: false": [
    [status(401, "authentication_error", "revoked", { "x-should-retry": "false" })],
    { forms: "s", code: 1 },
    { own: true },
  ],
  "402 is shown": [[status(402, "billing_error", "pay first")], { forms: "s", code: 1, said: /402 pay first/ }],
  "403 of the caller's own token": [[status(403, "permission_error", "no way")], { forms: "s", code: 1, said: /403 no way/ }, { own: true }],
  "404 is repeated once without a stream": [[status(404, "not_found_error", `model: ${model}`)], { forms: "sn", code: 1, said: /selected model/ }],
  "408 is retried": [[status(408, "timeout_error", "slow"), text()], { forms: "ss", code: 0 }],
  "409 is retried": [[status(409, "conflict_error", "busy"), text()], { forms: "ss", code: 0 }],
  "413 is shown": [[status(413, "request_too_large", "big")], { forms: "s", code: 1, said: /too large/ }],
  "429 with retry-after 2": [[status(429, "rate_limit_error", "wait", { "retry-after": "2" }), text()], { forms: "ss", code: 0, waits: 1900 }],
  "429 without a hope": [
    [status(429, "rate_limit_error", "budget used up", { "x-should-retry": "false" })],
    { forms: "s", code: 1, said: /429.*budget used up/ },
  ],
  "500 is retried": [[status(500, "api_error", "oops"), text()], { forms: "ss", code: 0 }],
  "500 for good": [[status(500, "api_error", "oops")], { forms: "sss", code: 1, said: /500 oops/ }],
  "a page of HTML with 502": [[raw(502, "<html>bad gateway</html>", { "content-type": "text/html" }), text()], { forms: "ss", code: 0 }],
  "503 with retry-after": [[status(503, "overloaded_error", "full", { "retry-after": "1" }), text()], { forms: "ss", code: 0, waits: 950 }],
  "a reset before the answer": [[reset(), text()], { forms: "ss", code: 0 }],
  "overloaded inside the stream, before its first event": [[broken(text(), 0, "overloaded_error"), text("again")], { forms: "ss", code: 0, said: /^again$/ }],
  "overloaded inside the stream, before content": [[broken(text(), 1, "overloaded_error"), text("again")], { forms: "ss", code: 0, said: /^again$/ }],
  "a reset inside a block": [[broken(text("half"), 3, "rst"), text("again")], { forms: "sn", code: 0, said: /^again$/ }],
  "an end inside a block": [[broken(text("half"), 3, "eof"), text("again")], { forms: "sn", code: 0, said: /^again$/ }],
  "an error event inside a block": [[broken(text("half"), 3, "api_error"), text("again")], { forms: "sn", code: 0, said: /^again$/ }],
  "overloaded inside a block": [[broken(text("half"), 3, "overloaded_error"), text("again")], { forms: "sn", code: 0, said: /^again$/ }],
  "a reset without the fallback": [
    [broken(text("half"), 3, "rst"), text("again")],
    { code: 1 },
    { env: { CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: "1" }, ownWords: true }, // an error event cannot say "reset"
  ],
};
for (const how of ["rst", "eof", "api_error"])
  same[`a finished tool call, then ${how}: the tool runs once and the turn goes on`] = [
    [broken(tool("Bash", { command: "echo once >> made" }, { words: "more" }), 5, how), text("again")],
    { forms: "ss", code: 0, said: /^again$/, made: "once\n" },
  ];
for (const [name, words, check] of [
  ["(a) a refused role", "messages.1: role 'system' is not supported on this model", (second) => assert.ok(!second.roles.includes("system"))],
  ["(b) a refused thinking type", "thinking.type adaptive is not supported on this model", (second, first) => assert.notDeepEqual(second.thinking, first.thinking)],
  [
    "(c) max_tokens over the context",
    "input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000, decrease input length or `max_tokens` and try again",
    (second, first) => assert.ok(second.max_tokens < first.max_tokens),
  ],
])
  same[`recovery ${name}`] = [[status(400, "invalid_request_error", words), text()], { forms: "ss", code: 0, check }];
same["recovery (d) a signature that is not this account's"] = [
  [
    thinkingThen("Bash", { command: "true" }),
    status(400, "invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"),
    text(),
  ],
  { forms: "sss", code: 0, check: (second, first, third) => assert.ok(second.blocks.includes("thinking") && !third.blocks.includes("thinking")) },
];
// Without a terminal the client says so and leaves the compaction to the user; with one it compacts.
same["recovery (e) a prompt that is too long, then /compact"] = [
  [
    text("one"),
    text("two"),
    status(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
    text("<summary>what was said</summary>"),
    text("after the summary"),
  ],
  {
    forms: "sssss",
    code: 0,
    said: /after the summary/,
    check: (second, first, third, all) => assert.ok(JSON.stringify(all[4].body.messages).includes("what was said"), "the turn goes on from the summary"),
  },
  { prompts: ["first question", "second question", "third question", "/compact", "go on"] },
];

describe("directly and through the gateway", { concurrency: 3 }, () => {
  for (const [name, [steps, wanted, options = {}]] of Object.entries(same)) {
    test(name, async () => {
      const [direct, through] = await both(steps, options);
      if (options.ownWords) direct.said = through.said;
      assert.deepEqual(outcome(through), outcome(direct), through.output);
      for (const key of ["forms", "code", "made"]) if (wanted[key] !== undefined) assert.equal(through[key], wanted[key], `${key}: ${JSON.stringify(outcome(through))}`);
      if (wanted.said) assert.match(through.said, wanted.said);
      assert.equal(through.rows, through.requests.length, "each request has its row");
      assert.deepEqual(through.requests.map(shape), direct.requests.map(shape));
      for (const { requests } of [direct, through]) {
        if (wanted.waits) assert.ok(requests[1].at - requests[0].at >= wanted.waits, "the client waited as it was told");
        if (wanted.check) wanted.check(shape(requests[1]), shape(requests[0]), requests[2] && shape(requests[2]), requests);
      }
    });
  }
});

describe("where the gateway differs on purpose", { concurrency: 3 }, () => {
  // The client gives up on a 529 within two seconds: the gateway says 503, which it waits for.
  test("529: the client goes on", async () => {
    const overloaded = status(529, "overloaded_error", "no room");
    const [direct, through] = await both([overloaded, overloaded, overloaded, text()], { env: { CLAUDE_CODE_MAX_RETRIES: "4" } });
    assert.equal(direct.failed, true, direct.said);
    assert.equal(direct.forms, "sss");
    assert.equal(through.said, "done");
    assert.equal(through.forms, "ssss");
  });

  // 61 s and more make the client give up at once; it waits for 60.
  test("429 with a retry-after of ten minutes: the client waits", async () => {
    const [direct, through] = await both([status(429, "rate_limit_error", "later", { "retry-after": "600" }), text()], { stopAfterMs: 5000 });
    assert.match(direct.said, /429.*later/);
    assert.equal(through.code, null, "it is still waiting");
    assert.equal(through.forms, "s");
  });

  // Keys of the deployment are the operator's: the caller cannot mend them, and must not log in anew.
  for (const code of [401, 403])
    test(`${code} for the deployment's key: shown at once, without a word about logins`, async () => {
      const [direct, through] = await both([status(code, "authentication_error", "invalid x-api-key")]);
      assert.equal(direct.failed, true);
      assert.equal(through.failed, true);
      assert.equal(through.forms, "s");
      assert.match(through.said, /502 .*refused the credentials/);
    });

  // A stream that dies before its first content is not the client's to repeat without a stream.
  for (const how of ["rst", "eof", "api_error"])
    test(`a stream that ends with ${how} before content is an error status`, async () => {
      const [direct, through] = await both([broken(text(), 1, how), text("again")]);
      assert.equal(direct.said, "again");
      assert.equal(direct.forms, "sn");
      assert.equal(through.said, "again");
      assert.equal(through.forms, "ss");
    });

  test("a wrong gateway key: one request, the gateway's own words", async () => {
    const provider = await startScripted([text()]);
    const gateway = await startGateway({ config: config(provider) });
    const place = makeHome();
    try {
      const begun = Date.now();
      const run = await runClaude({ url: gateway.url, key: "sk-wrong" }, place, "hello", { env: settings });
      assert.equal(run.result.is_error, true);
      assert.equal(provider.requests.length, 0);
      const rows = await gateway.rows(1);
      assert.equal(rows.length, 1, "no retries");
      assert.ok(Date.now() - begun < 30000);
    } finally {
      await gateway.stop();
      gateway.remove();
      provider.stop();
      place.remove();
    }
  });
});

// Claude Code in Bedrock's dialect, at the simulated Bedrock and through the gateway to it.
describe("in Bedrock mode", { concurrency: 3 }, () => {
  const bedrock = (url, key) => ({
    CLAUDE_CODE_USE_BEDROCK: "1",
    ANTHROPIC_BEDROCK_BASE_URL: url,
    AWS_BEARER_TOKEN_BEDROCK: key,
    AWS_REGION: "us-west-2",
    ANTHROPIC_MODEL: bedrockModel,
    ANTHROPIC_BASE_URL: "",
    ANTHROPIC_AUTH_TOKEN: "",
    CLAUDE_CODE_MAX_RETRIES: "2",
    CLAUDE_CODE_SKIP_BEDROCK_AUTH: "",
  });
  const oneAccount = (upstream) => `
model_list:
  - model_name: ${bedrockModel}
    litellm_params:
      model: bedrock/${bedrockModel}
      api_key: ${upstream.accounts[0].bearer}
      aws_bedrock_runtime_endpoint: ${upstream.url}
      aws_region_name: us-west-2
router_settings:
  num_retries: 0
  disable_cooldowns: true
general_settings:
  master_key: ${masterKey}
`;
  const mine = (state) => state.accounts[0].received.filter((row) => row.body.includes("faulty question"));
  for (const [name, fault, last] of [
    ["ThrottlingException", { kind: "status", status: 429, type: "ThrottlingException", after_events: -1 }, "invoke-with-response-stream"],
    ["503", { kind: "status", status: 503, type: "ServiceUnavailableException" }, "invoke-with-response-stream"],
    ["modelStreamErrorException", { kind: "exception", type: "modelStreamErrorException", after_events: 3 }, "invoke"],
    ["a reset", { kind: "reset", after_events: 3 }, "invoke"],
    ["a bad checksum", { kind: "corrupt", after_events: 3 }, "invoke"],
    ["an early end", { kind: "truncate", after_events: 3 }, "invoke"],
  ])
    test(name, async (t) => {
      const { gateway, upstream } = await startPair(t, { config: oneAccount, provider: { accounts: 1, eventMs: 30 } });
      const seen = [];
      for (const [url, key] of [[upstream.url, upstream.accounts[0].bearer], [gateway.url, masterKey]]) {
        const place = makeHome();
        await upstream.reset();
        // The client's probes must not use the fault up: they ask for other models or carry no tools.
        const run = await runClaude({ url, key }, place, "warm up", { env: bedrock(url, key) });
        assert.equal(run.code, 0, run.out + run.err);
        await upstream.reset();
        await upstream.fault({ account: "*", count: 1, contains: "faulty question", ...fault });
        const faulty = await runClaude({ url, key }, place, "a faulty question [[sim: long 12]]", { env: bedrock(url, key) });
        const rows = mine(await upstream.state());
        seen.push({ code: faulty.code, failed: faulty.result?.is_error, said: faulty.result?.result, paths: rows.map((row) => row.path.split("/").pop()) });
        place.remove();
      }
      assert.deepEqual(seen[1], seen[0]);
      assert.equal(seen[1].failed, false, JSON.stringify(seen));
      assert.deepEqual(seen[1].paths, ["invoke-with-response-stream", last]);
    });
});
