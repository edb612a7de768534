// The console in headless Chromium over the real gateway.
import test from "node:test";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { startPair, twoAccounts, until, model, masterKey, root } from "./support/processes.mjs";

const { chromium } = createRequire(join(root, "ui/package.json"))("playwright-core");
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find((name) => name && existsSync(name));

const system = [{ type: "text", text: "Words that are worth a cache entry. ".repeat(400), cache_control: { type: "ephemeral" } }];
const ask = async (gateway, question, extra = {}, headers = {}) => {
  const body = { model, max_tokens: 50, stream: true, system, messages: [{ role: "user", content: question }], ...extra };
  return (await gateway.post("/v1/messages", body, { "x-claude-code-session-id": "console-session", ...headers })).text();
};

async function openPage(t) {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  t.after(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: "UTC" });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.setDefaultTimeout(10000);
  return { page, context, problems };
}

async function signIn(page, gateway) {
  await page.goto(`${gateway.url}/ui/`);
  await page.fill("input[type=password]", masterKey);
  await page.keyboard.press("Enter");
}

const screenshots = join(root, "build/screenshots");

test("the rows of a first start and a relaunch, the drawer, live mode, filters", async (t) => {
  const { gateway } = await startPair(t);
  await ask(gateway, "a first question");
  await ask(gateway, "another question");
  const [written, read] = await gateway.rows(2);
  const { page, context, problems } = await openPage(t);
  await signIn(page, gateway);

  const row = (entry) => page.locator(`[data-id="${entry.request_id}"]`);
  assert.match(await row(written).innerText(), new RegExp(written.cache_creation_input_tokens.toLocaleString("en-US")));
  assert.match(await row(read).innerText(), new RegExp(read.cache_read_input_tokens.toLocaleString("en-US")));
  for (const entry of [written, read]) assert.ok((await row(entry).innerText()).includes(written.model_id.slice(0, 8)), "equal Model IDs");
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: join(screenshots, "request-logs.png") });

  await row(read).click();
  await page.getByText("holds the longest warm prefix").waitFor();
  await page.getByText("Why this deployment").waitFor();
  await page.screenshot({ path: join(screenshots, "drawer.png") });
  await page.keyboard.press("Escape");

  await page.mouse.move(5, 5);
  await ask(gateway, "while you watch");
  const newest = (await gateway.rows(3)).at(-1);
  await row(newest).waitFor();

  await ask(gateway, "x", { messages: [] });
  await gateway.rows(4);
  await page.goto(`${gateway.url}/ui/?status_filter=failure`);
  await page.locator("[data-id]").first().waitFor();
  assert.deepEqual(await page.locator("[data-id]").evaluateAll((list) => list.map((entry) => entry.dataset.failed)), ["true"]);

  const [cookie] = await context.cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  await page.goto(`${gateway.url}/ui/models`);
  await page.getByText(model).first().waitFor();
  await page.screenshot({ path: join(screenshots, "models.png") });
  await page.getByRole("button", { name: /sign out/i }).click();
  await page.locator("input[type=password]").waitFor();
  assert.deepEqual(problems, []);
});

test("a changed system prompt is named in the drawer", async (t) => {
  const { gateway } = await startPair(t);
  await ask(gateway, "a question");
  await ask(gateway, "a question", { system: [{ ...system[0], text: `Changed. ${system[0].text}` }] });
  const rows = await gateway.rows(2);
  const { decision } = await gateway.get(`/spend/logs/ui/${rows[1].request_id}`);
  assert.deepEqual([decision.divergence.tier, decision.divergence.kind, decision.divergence.index], ["system", "text", 0]);
  const { page } = await openPage(t);
  await signIn(page, gateway);
  await page.locator(`[data-id="${rows[1].request_id}"]`).click();
  assert.match(await page.locator("[data-divergence]").innerText(), /block 1, in the system prompt/);
});

test("an export holds every row of its filter once, in both forms", async (t) => {
  const { gateway } = await startPair(t);
  for (let i = 0; i < 1203; i += 50) await Promise.all(Array.from({ length: Math.min(50, 1203 - i) }, () => ask(gateway, "x", { messages: [] })));
  await ask(gateway, "a question", {}, { "user-agent": '=HYPERLINK("x"), "quoted"' });
  await until("all rows", async () => (await gateway.get("/ui/api/summary")).totals.requests === 1204);
  const take = async (query) => (await fetch(`${gateway.url}/ui/api/export?${query}`, { headers: gateway.headers })).text();
  const failed = (await take("format=jsonl&status_filter=failure")).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(failed.length, 1203);
  assert.equal(new Set(failed.map((row) => row.request_id)).size, 1203);
  assert.ok(failed.every((row, i) => i === 0 || row.startTime <= failed[i - 1].startTime), "newest first");
  const csv = (await take("format=csv")).split("\r\n");
  assert.equal(csv.length, 1 + 1204 + 1);
  const answered = csv.find((line) => line.includes(",success,"));
  assert.ok(answered.includes(`"'=HYPERLINK(""x""), ""quoted"""`), answered);
  assert.equal((await fetch(`${gateway.url}/ui/api/export?format=xml`, { headers: gateway.headers })).status, 400);
});

test("the drawer's facts: headers without their secrets, and why nobody could answer", async (t) => {
  const { gateway, upstream } = await startPair(t);
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 50 });
  await ask(gateway, "a question", {}, { cookie: "s=secret", "x-strange": "secret", "x-stainless-lang": "js" });
  const [row] = await gateway.rows(1);
  const detail = await gateway.get(`/spend/logs/ui/${row.request_id}`);
  assert.equal(detail.headers["x-stainless-lang"], "js");
  assert.equal(detail.headers.cookie, "(hidden, 8 bytes)");
  assert.ok(!/secret|sk-e2e/.test(JSON.stringify(detail.headers)), JSON.stringify(detail.headers));
  await ask(gateway, "another");
  const second = (await gateway.rows(2)).find((entry) => entry.request_id !== row.request_id);
  const { decision } = await gateway.get(`/spend/logs/ui/${second.request_id}`);
  assert.equal(second.model_id, "", "nobody was asked");
  assert.deepEqual(decision.candidates.map((entry) => entry.reason), ["cooling", "cooling"]);
  const { page, problems } = await openPage(t);
  await signIn(page, gateway);
  await page.locator(`[data-id="${second.request_id}"]`).click();
  await page.getByText("Who could have answered").waitFor();
  assert.deepEqual(problems, []);
});

test("limits are shown with what is used of them; an unknown call is no page", async (t) => {
  const limited = twoAccounts(`\ngeneral_settings:\n  master_key: ${masterKey}\n`).replaceAll("aws_region_name: us-west-2", "aws_region_name: us-west-2\n      rpm: 7");
  const { gateway } = await startPair(t, { config: () => limited });
  await ask(gateway, "a question");
  const { data } = await gateway.get("/ui/api/deployments");
  const limits = data.flatMap((entry) => entry.limits);
  assert.deepEqual(limits.map(({ kind, source, limit }) => [kind, source, limit]), [["requests", "configured", 7], ["requests", "configured", 7]]);
  assert.equal(limits.reduce((sum, entry) => sum + entry.used, 0), 1);
  assert.equal((await fetch(`${gateway.url}/ui/api/nothing`, { headers: gateway.headers })).status, 404);
});

test("a console that watches does not hold up the end of the gateway", async (t) => {
  const { gateway } = await startPair(t);
  const live = await fetch(`${gateway.url}/ui/api/live`, { headers: gateway.headers });
  const begun = Date.now();
  const ended = await gateway.stop();
  assert.equal(ended.code, 0);
  assert.ok(Date.now() - begun < 8000, `${Date.now() - begun} ms`);
  await live.text();
});

test("the page's policy: own files only, no inline script, no frame", async (t) => {
  const { gateway } = await startPair(t);
  const answer = await fetch(`${gateway.url}/ui/`);
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!/unsafe/.test(policy));
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  for (const path of ["/spend/logs/ui", "/ui/api/summary", "/ui/api/live", "/metrics", "/model/info"])
    assert.equal((await fetch(gateway.url + path)).status, 401, path);
  const forged = await fetch(`${gateway.url}/ui/api/summary`, { headers: { cookie: "warmpath_session=9999999999.aa.bb" } });
  assert.equal(forged.status, 401);
});
