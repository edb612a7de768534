// The console on a phone, in both themes: nothing is cut off, nothing scrolls sideways, and axe-core
// finds nothing serious.
import test from "node:test";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startPair, model, masterKey, root } from "./support/processes.mjs";

const fromConsole = createRequire(join(root, "ui/package.json"));
const { chromium } = fromConsole("playwright-core");
const axe = readFileSync(fromConsole.resolve("axe-core/axe.min.js"), "utf8");
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find((name) => name && existsSync(name));

// What is seen once it has come to rest: half-way through the drawer's entrance its texts are pale.
const settled = (page) =>
  page.evaluate(() => {
    const ends = (animation) => Number.isFinite(animation.effect.getComputedTiming().endTime);
    return Promise.all(document.getAnimations().filter(ends).map((animation) => animation.finished.catch(() => {})));
  });

async function look(page, where) {
  await settled(page);
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await axe.run();
    const cut = [...document.querySelectorAll(".drawer-body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".json"));
    return {
      serious: violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes[0].target}`),
      sideways: document.documentElement.scrollWidth - innerWidth,
      cut: cut.map((e) => e.className),
    };
  });
  assert.deepEqual(found, { serious: [], sideways: 0, cut: [] }, where);
}

test("360 px wide, light and dark", async (t) => {
  const { gateway, upstream } = await startPair(t);
  const ask = async (messages) =>
    (await gateway.post("/v1/messages", { model, max_tokens: 20, stream: true, messages }, { "x-claude-code-session-id": "narrow-session" })).text();
  await ask([{ role: "user", content: "hello" }]);
  await ask([]);
  await upstream.fault({ account: "*", kind: "status", status: 429, count: 2, type: "ThrottlingException", retry_after: "2" });
  await ask([{ role: "user", content: "hello again" }]);
  const failed = (await gateway.rows(3)).at(-1);
  assert.equal(failed.attempted_retries, 1);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  t.after(() => browser.close());
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width: 360, height: 780 }, colorScheme, bypassCSP: true });
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    await page.goto(`${gateway.url}/ui/`);
    await page.locator("input[type=password]").waitFor();
    await look(page, `${colorScheme} sign-in`);
    await page.fill("input[type=password]", masterKey);
    await page.keyboard.press("Enter");
    await page.locator(`[data-id="${failed.request_id}"]`).waitFor();
    await look(page, `${colorScheme} logs`);
    await page.locator(`[data-id="${failed.request_id}"]`).click();
    await page.getByText("tried last").waitFor();
    await look(page, `${colorScheme} drawer`);
    await page.goto(`${gateway.url}/ui/models`);
    await page.getByText("account-1").first().waitFor();
    await look(page, `${colorScheme} models`);
    await context.close();
  }
});
