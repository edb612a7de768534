// Mixed load with faults for a while: memory, descriptors and queues stay flat, every request leaves
// one row, the sums are the provider's own. SOAK_SECONDS=1800 for the long form (60 by default).
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { masterKey, model, sleep, startGateway, startProvider, until, writeAwsFiles, scratch } from "./support/processes.mjs";

const seconds = Number(process.env.SOAK_SECONDS ?? 60);
const clients = 16;
const pick = (list) => list[Math.floor(Math.random() * list.length)];

const faults = [
  { kind: "status", status: 500 }, { kind: "status", status: 503 }, { kind: "status", status: 529 }, { kind: "status", status: 429, retry_after_ms: "300" },
  { kind: "reset" }, { kind: "html" }, { kind: "redirect" }, { kind: "slow", delay_ms: 200 }, { kind: "exception", after_events: 0, type: "throttlingException" },
  // Nothing that breaks off an answer in the kernel's buffers: what the provider counts as sent and
  // nobody has received is in its sums only.
  { kind: "truncate", after_events: 0 }, { kind: "truncate", after_events: 5 }, { kind: "exception", after_events: 5, type: "modelStreamErrorException" },
];

function config(upstream) {
  const deployment = (account) => `  - model_name: ${model}
    litellm_params: {model: bedrock/${model}, aws_access_key_id: ${account.aws_access_key_id}, aws_secret_access_key: ${account.aws_secret_access_key}, aws_region_name: us-west-2, aws_bedrock_runtime_endpoint: "${upstream.url}"}
`;
  return `model_list:\n${upstream.accounts.map(deployment).join("")}router_settings: {optional_pre_call_checks: ["prompt_caching"], cooldown_time: 1}\ngeneral_settings: {master_key: ${masterKey}}\n`;
}

const system = (session) => [{ type: "text", text: `Session ${session}. ${"Words that are worth a cache entry. ".repeat(300)}`, cache_control: { type: "ephemeral" } }];

// One request of a mixed load; returns how many rows it owes.
async function one(gateway, tally) {
  const session = `soak-session-${Math.floor(Math.random() * 40)}`;
  const request = { model, max_tokens: 200, stream: Math.random() < 0.7, system: system(session), messages: [{ role: "user", content: `[[sim: long ${pick([3, 10, 40])}]]` }] };
  const headers = { "x-claude-code-session-id": session };
  const dice = Math.random();
  if (dice < 0.03) return gateway.post("/v1/messages", "{no json", headers).then(finish(tally, "bad"));
  if (dice < 0.05) return gateway.post("/v1/messages", { ...request, model: "unknown" }, headers).then(finish(tally, "bad"));
  if (dice < 0.1) return gateway.post("/v1/messages/count_tokens", { model, messages: request.messages }, headers).then(finish(tally, "counted"));
  if (dice < 0.15) return leave(gateway, { ...request, stream: true, messages: [{ role: "user", content: "[[sim: long 400]]" }] }, headers, tally);
  return gateway.post("/v1/messages", request, headers).then(finish(tally, "asked"));
}

const finish = (tally, kind) => async (answer) => {
  const text = await answer.text().catch(() => "cut");
  tally[kind] = (tally[kind] ?? 0) + 1;
  const key = answer.status === 200 && /event: error/.test(text) ? "cut with an error event" : `${answer.status}`;
  tally.statuses[key] = (tally.statuses[key] ?? 0) + 1;
  return 1;
};

// Leaves once content has come.
function leave(gateway, request, headers, tally) {
  return new Promise((done) => {
    const text = JSON.stringify(request);
    const lines = Object.entries({ ...gateway.headers, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const socket = net.connect(gateway.port, "127.0.0.1");
    let seen = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      seen += data;
      if (/content_block_delta|event: error|^HTTP\/1.1 [45]/.test(seen)) socket.destroy();
    });
    socket.on("close", () => ((tally.left = (tally.left ?? 0) + 1), done(1)));
    socket.write(`POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${lines}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  });
}

async function sample(gateway) {
  const pid = gateway.child.pid;
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: gateway.headers })).text();
  const metric = (name) => Number(new RegExp(`^${name} (\\S+)`, "m").exec(metrics)[1]);
  const mib = (name) => metric(name) / 1024 / 1024;
  return {
    rss, descriptors, inFlight: metric("litellm_in_flight_requests"), queue: metric("warmpath_ledger_queue"), dropped: metric("warmpath_ledger_rows_dropped_total"),
    arenas: mib("warmpath_arena_bytes"), spare: mib("warmpath_arena_idle_bytes"), heap: mib("warmpath_heap_bytes"), idle: mib("warmpath_heap_idle_bytes"), model: mib("warmpath_cache_model_bytes"),
  };
}

test(`soak: ${seconds} s of mixed load with faults`, { timeout: (seconds + 120) * 1000 }, async (t) => {
  const upstream = await startProvider({ accounts: 4, ttftMs: 3, eventMs: 2, keepBodies: false });
  const gateway = await startGateway({ config: config(upstream) });
  t.after(async () => {
    const ended = await gateway.stop();
    await upstream.stop();
    gateway.remove();
    assert.equal(ended.code, 0, gateway.output.slice(-2000));
  });
  const tally = { statuses: {} }, samples = [];
  const end = Date.now() + seconds * 1000;
  let owed = 0;
  const load = async () => {
    while (Date.now() < end) {
      const rows = await one(gateway, tally);
      owed += rows;
    }
  };
  const trouble = async () => {
    while (Date.now() < end) {
      await upstream.fault({ account: pick(upstream.accounts).name, count: 1 + Math.floor(Math.random() * 2), ...pick(faults) }).catch(() => {}); // full: enough is armed
      await sleep(250);
    }
  };
  const watch = async () => {
    while (Date.now() < end) {
      await sleep(Math.max(2000, seconds * 20));
      samples.push({ at: Math.round((seconds * 1000 - (end - Date.now())) / 1000), ...(await sample(gateway)) });
      await gateway.get("/spend/logs/ui?page_size=50");
      await gateway.get("/ui/api/summary");
    }
  };
  await Promise.all([...Array.from({ length: clients }, load), trouble(), watch()]);
  await upstream.fault({ account: "*", clear: true });
  await until("nothing in flight", async () => (await sample(gateway)).inFlight === 0);
  await until("an empty ledger queue", async () => (await sample(gateway)).queue === 0);
  const last = await sample(gateway);
  const warm = samples[Math.floor(samples.length / 4)];
  const { accounts } = await upstream.totals();
  const file = join(gateway.folder, "state/ledger.sqlite3");
  const row = (sql) => execFileSync("sqlite3", [file, sql], { encoding: "utf8" }).trim().split("|").map(Number);
  const [rows, distinct] = row("SELECT count(*), count(DISTINCT request_id) FROM request");
  const ledger = row("SELECT sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens) FROM request WHERE call_type <> 'count_tokens'");
  const sum = (name) => accounts.reduce((total, account) => total + account.usage[name], 0);
  const provider = ["input_tokens", "cache_read_input_tokens", "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens"].map(sum);
  const [output, whole] = [row("SELECT sum(output_tokens) FROM request")[0], sum("output_tokens")];
  console.log(`measured: soak of ${seconds} s: ${owed} requests (${(owed / seconds).toFixed(0)}/s), ${JSON.stringify(tally.statuses)}, ${tally.left ?? 0} clients left`);
  for (const s of [...samples.filter((_, i) => i % Math.ceil(samples.length / 8) === 0), { at: seconds, ...last }])
    console.log(`measured: soak at ${s.at} s: RSS ${s.rss.toFixed(1)} MiB (heap ${s.heap.toFixed(1)} used, ${s.idle.toFixed(1)} free; arenas ${s.arenas.toFixed(2)}, spare ${s.spare.toFixed(2)}; cache model ${s.model.toFixed(2)}), ${s.descriptors} descriptors, ${s.inFlight} in flight, ${s.queue} rows waiting`);
  const causes = execFileSync("sqlite3", [file, "SELECT error_code || ' ' || count(*) FROM request WHERE http_status >= 429 GROUP BY error_code ORDER BY count(*) DESC"], { encoding: "utf8" });
  console.log(`measured: soak errors: ${causes.trim().split("\n").join(", ") || "none"}`);
  console.log(`measured: soak sums: ledger ${ledger.join("/")}, provider ${provider.join("/")} (input/read/write 5 m/write 1 h); output ${output} of ${whole}`);
  assert.equal(rows, owed, "one row per request");
  assert.equal(distinct, rows);
  assert.equal(last.dropped, 0);
  assert.deepEqual(ledger, provider, "the provider counts the same tokens");
  assert.ok(output <= whole && output > whole / 3);
  assert.ok(last.rss < warm.rss * 1.2 + 12, `RSS from ${warm.rss} to ${last.rss} MiB`);
  assert.ok(last.arenas < 2, `nothing is in flight, and arenas hold ${last.arenas} MiB`);
  const queues = samples.map((s) => s.queue);
  assert.ok(Math.max(...queues) < 2000, `rows waited: ${queues}`);
  assert.ok(last.descriptors <= warm.descriptors + 8, `descriptors from ${warm.descriptors} to ${last.descriptors}`);
});
