// What Claude Code does when a platform refuses or breaks off: as the platform's own client, directly at
// it, and through the gateway. The same number of requests, of the same form, and the same end. Where
// the gateway means to differ, the case says what it does instead. Fills a table of docs/platforms.md.
import test, { describe } from "node:test";
import assert from "node:assert/strict";
import { startPair, masterKey, until } from "./support/processes.mjs";
import { makeHome, runClaude } from "./support/claude.mjs";
import { direct, modelOf, modes, pointed, withModes } from "./support/modes.mjs";
import { platforms } from "./support/platforms.mjs";
import { matrix } from "./support/matrix.mjs";

const names = withModes;
const question = "a faulty question [[sim: long 12]]";

// One try per request of the client: what the client does is what is looked at.
const config = (platform) => (upstream) =>
  platforms[platform](modelOf(platform))(upstream).replace("router_settings:", "router_settings:\n  num_retries: 0\n  disable_cooldowns: true");

// name → the fault, what both must show, what the gateway does otherwise.
const cases = {
  "400, prompt too long": {
    fault: { status: 400, message: "prompt is too long: 250000 tokens > 200000 maximum" },
    both: { forms: "s", code: 1 },
    said: /prompt is too long/i,
  },
  // They are the operator's: the client shows it at once, without a word of a login.
  "401 for the deployment's credentials": {
    fault: { status: 401, message: "who are you" },
    through: { asked: 1, code: 1 },
    said: /502 .*(refused the credentials|credentials are not usable)/,
  },
  "403 for the deployment's credentials": {
    fault: { status: 403, message: "not allowed" },
    through: { asked: 1, code: 1 },
    said: /502 .*refused the credentials/,
  },
  "404, no such model": { fault: { status: 404, message: "no such model" }, both: { code: 1 }, said: /selected model|no such model|model .* is not available/ },
  "413, too large": { fault: { status: 413, message: "too big" }, both: { forms: "s", code: 1 }, said: /too large|too big/i },
  "429 with retry-after": { fault: { status: 429, message: "slow down", retry_after: "1", count: 1 }, both: { forms: "ss", code: 0 } },
  "429 without": { fault: { status: 429, message: "slow down" }, both: { forms: "ss", code: 1 }, said: /slow down/ },
  "500, then an answer": { fault: { status: 500, message: "oops", count: 1 }, both: { forms: "ss", code: 0 } },
  "500 for good": { fault: { status: 500, message: "oops" }, both: { forms: "ss", code: 1 }, said: /oops/ },
  "503, then an answer": { fault: { status: 503, message: "away", count: 1 }, both: { forms: "ss", code: 0 } },
  "529, then an answer": { fault: { status: 529, message: "full", count: 1 }, both: { forms: "ss", code: 0 } },
  // The gateway says so as a status while nothing has been sent: the client asks for a stream again.
  "an error inside the stream, before content": {
    fault: { kind: "exception", after_events: 1, message: "not now", count: 1 },
    through: { forms: "ss", code: 0 },
  },
  "an error inside the stream": { fault: { kind: "exception", after_events: 4, message: "broke", count: 1 }, both: { forms: "sn", code: 0 } },
  "a reset inside the stream": { fault: { kind: "reset", after_events: 4, count: 1 }, both: { forms: "sn", code: 0 } },
  "an early end of the stream": { fault: { kind: "truncate", after_events: 4, count: 1 }, both: { forms: "sn", code: 0 } },
};

const { passed, check } = matrix("errors", names, Object.keys(cases));

async function run(upstream, env, fault) {
  const place = makeHome();
  try {
    await upstream.reset();
    // The probes of some modes must not use the fault up.
    await upstream.fault({ account: "*", kind: "status", count: 20, contains: "faulty question", ...fault });
    const ended = await runClaude({ url: "", key: "" }, place, question, { env: { ...env, CLAUDE_CODE_MAX_RETRIES: "1" }, timeoutMs: 60000 });
    const rows = (await upstream.state()).accounts[0].received.filter((row) => row.body.includes("faulty question"));
    return {
      forms: rows.map((row) => (row.stream || JSON.parse(row.body).stream || row.path.includes("response-stream") ? "s" : "n")).join(""),
      code: ended.code,
      failed: ended.result?.is_error,
      said: ended.result?.result ?? ended.out + ended.err,
    };
  } finally {
    place.remove();
  }
}

// How often the client asked: rows since then, without the small ones of the probes of some modes.
async function asked(gateway, before) {
  return until("a row of the question", async () => {
    const page = await gateway.logs();
    return page.data.slice(0, page.total - before).filter((row) => row.request_bytes > 10000).length;
  });
}

const outcome = ({ forms, code, failed }) => ({ forms, code, failed });

describe("directly at the platform and through the gateway", { concurrency: 3 }, () => {
  for (const platform of names)
    test(platform, async (t) => {
      const { gateway, upstream } = await startPair(t, { config: config(platform), provider: { accounts: 1, eventMs: 10 } });
      for (const [name, { fault, both, through: otherwise, said }] of Object.entries(cases))
        await t.test(name, async () => {
          const straight = await run(upstream, direct(platform, upstream, upstream.accounts[0]), fault);
          // As the platform's client where that has a dialect of its own, and as one of the Messages API.
          const asMessages = modes.messages({ url: gateway.url, key: masterKey, model: modelOf(platform) });
          const ownDialect = platform === "bedrock" || platform === "vertex";
          for (const env of ownDialect ? [pointed(platform, gateway, masterKey), asMessages] : [asMessages]) {
            const before = (await gateway.logs()).total;
            const through = await run(upstream, env, fault);
            through.asked = await asked(gateway, before);
            const seen = JSON.stringify({ straight, through });
            assert.equal(straight.failed, through.failed, seen);
            if (!otherwise) assert.deepEqual(outcome(through), outcome(straight), seen);
            for (const [key, value] of Object.entries(otherwise ?? both)) assert.equal(through[key], value, seen);
            if (said) assert.match(through.said, said);
          }
          passed(name, platform);
        });
    });
});

test("docs/platforms.md shows what this run has shown", check);
