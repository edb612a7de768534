// The console in headless Chromium over the real gateway.
import test from "node:test";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { startPair, model, masterKey, root } from "./support/processes.mjs";

const { chromium } = createRequire(join(root, "ui/package.json"))("playwright-core");
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find((name) => name && existsSync(name));

const system = [{ type: "text", text: "Words that are worth a cache entry. ".repeat(400), cache_control: { type: "ephemeral" } }];
const ask = async (gateway, question, extra = {}) => {
  const body = { model, max_tokens: 50, stream: true, system, messages: [{ role: "user", content: question }], ...extra };
  return (await gateway.post("/v1/messages", body, { "x-claude-code-session-id": "console-session" })).text();
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
