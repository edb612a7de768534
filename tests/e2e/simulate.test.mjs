// `warmpath simulate` on the trace of the repository: every way to draw starts, failures, prices,
// fan-outs, and deployments that differ from what the router believes.
import test from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { rmSync, writeFileSync } from "node:fs";
import { binary, root, scratch } from "./support/processes.mjs";

const trace = join(root, "tests/traces/synthetic.jsonl.zst");
const run = (...args) => JSON.parse(execFileSync(binary, ["simulate", "-q", "--json", "-s", "5", "-n", "8", ...args, trace], { encoding: "utf8" })).rows;
const row = (rows, policy) => rows.find((found) => found.policy === policy);
const pair = (...args) => {
  const rows = run("-p", "sticky-10m,warmpath,infinite-5m", ...args);
  return [row(rows, "warmpath"), row(rows, "sticky-10m"), row(rows, "infinite-5m")];
};
// Of sticky's cost: what docs/cache-routing.md says of the public traces, with the room that a small
// trace needs.
const NO_WORSE = 1.002;

const worlds = {
  "the plain rules": [],
  "starts within an hour": ["--arrivals", "uniform:1h"],
  "starts by a Poisson process": ["--arrivals", "poisson:12h"],
  "starts in bursts": ["--arrivals", "bursts:12h"],
  "all at once": ["--arrivals", "together"],
  "TTL shorter": ["--ttl-factor", "0.8"],
  "TTL longer": ["--ttl-factor", "1.2"],
  "lookback 10": ["--lookback", "10", "--content-block-tokens", "1024"],
  "lookback 40": ["--lookback", "40", "--content-block-tokens", "1024"],
  "two hidden caches": ["--hidden", "2"],
  "four hidden caches": ["--hidden", "4"],
  "5 % evicted early": ["--evict", "0.05"],
  "restarts with nothing known": ["--restart", "2h"],
  "reads renew their entry only": ["--hit-only"],
  "half of the deployments dearer": ["--prices", "1,1,1,1,1.1,1.1,1.1,1.1"],
};
for (const [name, args] of Object.entries(worlds))
  test(`no worse than sticky: ${name}`, () => {
    const [warm, sticky, floor] = pair(...args);
    assert.ok(warm.cost_share <= NO_WORSE * sticky.cost_share, `${warm.cost_share} against ${sticky.cost_share}`);
    assert.ok(warm.cost_share_low <= warm.cost_share && warm.cost_share <= warm.cost_share_high);
    assert.ok(warm.hit_rate > 0 && warm.over_limit === 0 && warm.planner_us_p99 > 0);
    if (!args.includes("--prices")) assert.ok(floor.cost_share <= warm.cost_share * 1.0001, `${floor.cost_share} is the floor of ${warm.cost_share}`);
  });

test("the same seed gives the same numbers, another arrival others", () => {
  const cost = (...args) => pair(...args).map((found) => found.cost_share);
  assert.deepEqual(cost("--arrivals", "poisson:12h"), cost("--arrivals", "poisson:12h"));
  assert.notDeepEqual(cost("--arrivals", "poisson:12h"), cost("--arrivals", "bursts:12h"));
});

test("a deployment that is down refuses, and costs about what it costs sticky", () => {
  const [warm, sticky] = pair("--fail", "1@2h-4h,2@3h-210m");
  assert.ok(warm.failed_per_run > 0 && sticky.failed_per_run > 0);
  assert.ok(warm.cost_share <= 1.005 * sticky.cost_share, `${warm.cost_share} against ${sticky.cost_share}`);
  assert.equal(pair()[0].failed_per_run, 0);
});

test("a dear deployment gets less where prices differ", () => {
  const [dear] = pair("--prices", "1.5,1.5,1.5,1.5,1,1,1,1");
  const [even] = pair();
  assert.ok(dear.cost_share > even.cost_share && dear.cost_share < 1.5 * even.cost_share, `${dear.cost_share}, ${even.cost_share}`);
});

for (const siblings of [2, 8, 32])
  test(`a fan-out of ${siblings} pays one write of its head, with sticky ${siblings}`, () => {
    const [warm, sticky] = pair("--fanout", `${siblings}:20`);
    assert.equal(warm.fanout_head_writes, 1);
    assert.equal(sticky.fanout_head_writes, siblings);
    assert.ok(warm.wait_s_mean > 0 && warm.wait_s_mean < 5, `${warm.wait_s_mean} s`);
  });

test("auto_ttl saves more than renewals alone, which save more than nothing", () => {
  const rows = run("-p", "warmpath,warmpath-keep-warm,warmpath-auto-ttl,infinite-5m,clairvoyant");
  const [plain, kept, hours] = ["warmpath", "warmpath-keep-warm", "warmpath-auto-ttl"].map((policy) => row(rows, policy));
  assert.ok(kept.cost_share < plain.cost_share, `${kept.cost_share}, ${plain.cost_share}`);
  assert.ok(hours.cost_share < kept.cost_share, `${hours.cost_share}, ${kept.cost_share}`);
  assert.ok(hours.cost_by_class.write_1h > 0 && plain.cost_by_class.write_1h === 0, JSON.stringify(hours.cost_by_class));
});

// Requests that nobody goes on from: an hour would be paid for and never read.
test("auto_ttl costs one-shot traffic nothing", (t) => {
  const folder = scratch("warmpath-simulate-");
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const lines = ['{"format":"prompt-trace","version":1,"block_tokens":64}'];
  for (let i = 1; i <= 400; i++) {
    lines.push(`{"conversation":${i},"group":${i},"tool_tokens":0,"system_tokens":0}`);
    lines.push(`{"c":${i},"a":0,"t":0,"m":"m","in":6400,"out":10,"stop":"end_turn","keep":0,"add":[[${i * 1000},100]]}`);
  }
  const file = join(folder, "one-shot.jsonl");
  writeFileSync(file, `${lines.join("\n")}\n`);
  const rows = JSON.parse(execFileSync(binary, ["simulate", "-q", "--json", "-s", "2", "-n", "2", "-p", "warmpath,warmpath-auto-ttl", file], { encoding: "utf8" })).rows;
  assert.equal(row(rows, "warmpath-auto-ttl").cost_by_class.write_1h, 0);
  assert.ok(row(rows, "warmpath-auto-ttl").cost_share <= 1.02 * row(rows, "warmpath").cost_share);
});

for (const [option, value, said] of [["--arrivals", "sometimes", "arrivals"], ["--fail", "9", "deployment and times"], ["--prices", "1,x", "prices"], ["--fanout", "0", "fanout"], ["--evict", "2", "odds between 0 and 1"], ["--policies", "best", "no policy best"]])
  test(`${option} ${value} is refused with a sentence`, () => {
    const ended = spawnSync(binary, ["simulate", "-q", option, value, trace], { encoding: "utf8" });
    assert.equal(ended.status, 2, ended.stderr);
    assert.ok(ended.stderr.includes(said), ended.stderr);
  });
