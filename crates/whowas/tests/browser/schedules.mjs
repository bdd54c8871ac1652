// Schedules and alarms in the console: a window that fails, *run now*, what was written, the test of a source; in both themes, by keyboard.
//
//     node schedules.mjs SIGN_IN_LINK SCREENSHOT_FOLDER BROWSER FOLDER_THAT_IS_IN_THE_WAY
//
// Ends with 0 if everything holds, else with a message that says which step went wrong.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [link, screenshots, executablePath, inTheWay] = process.argv.slice(2);
const origin = new URL(link).origin;
const BASE = "/p/contoso/production";
const PAGES = [`${BASE}/exports`, `${BASE}/monitoring/health`, `${BASE}/monitoring`];

mkdirSync(screenshots, { recursive: true });
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];
let step = "start";
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => request.url().startsWith(origin) || complaints.push(`asks elsewhere: ${request.url()}`));
const shot = (name, target = page) => target.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
/** Reloads until it is there. */
async function until(path, selector) {
  for (let look = 0; look < 90; look += 1) {
    await page.goto(origin + path);
    if (await page.locator(selector).count() > 0) return;
    await page.waitForTimeout(1000);
  }
  throw new Error(`${path} never has ${selector}`);
}

async function audit(name) {
  const storageState = await context.storageState();
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [360, 1280]) {
      const apart = await browser.newContext({ bypassCSP: true, colorScheme, storageState, reducedMotion: "reduce", viewport: { width, height: 800 } });
      const audited = await apart.newPage();
      for (const path of PAGES) {
        step = `${name}: ${path} in ${colorScheme} at ${width}`;
        await audited.goto(origin + path);
        const [wide, inner] = await audited.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide <= inner, `${wide} of ${width} pixels`);
        await audited.evaluate(axe);
        const found = await audited.evaluate(() => globalThis.axe.run());
        await shot(`${name}-${colorScheme}-${width}${path.replaceAll("/", "_")}`, audited);
        assert.deepEqual(found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}: ${node.failureSummary}`)), []);
      }
      await apart.close();
    }
  }
}

try {
  step = "sign in";
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in as administrator" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();

  step = "a window that fails, and its alarm";
  await until(`${BASE}/exports`, "#schedules td .badge.failed");
  assert.match(await page.locator("#schedules").innerText(), /is not of this trail/);
  await until(`${BASE}/monitoring/health`, "#alarms td .badge.failed");
  await page.goto(origin + `${BASE}/monitoring`);
  await page.getByRole("link", { name: "1 alarm is raised" }).click();
  await page.waitForURL(/health#alarms$/);
  assert.match(await page.locator("#alarms").innerText(), /Window failed/);
  await audit("schedule-failed");

  step = "run now, by keyboard";
  rmSync(inTheWay, { recursive: true });
  await page.goto(origin + `${BASE}/exports`);
  await page.locator("#run-yearly").focus();
  await Promise.all([page.waitForURL(/exports#schedules$/), page.keyboard.press("Enter")]);
  await until(`${BASE}/exports`, "#schedules td .badge.verified");
  const text = await page.locator("#schedules").innerText();
  assert.match(text, /whowas archive verify .*yearly/);
  assert.match(text, /[0-9a-f]{64}/);
  assert.equal(await page.locator("#run-yearly").count(), 0, "nothing is due any more");
  await audit("schedule-verified");

  step = "a source is tested";
  await page.goto(`${origin}/p/contoso/test/settings`);
  for (const [source, found] of [["drop", /drop can be read as it is configured[^]*portal\.ndjson/], ["gone", /gone cannot be read/]]) {
    await page.getByLabel("Source of the settings").selectOption(source);
    await page.getByRole("button", { name: "Test it" }).click();
    await page.waitForURL(/settings\/sources\/test$/);
    assert.match(await page.locator("#tested").innerText(), found);
    await shot(`source-tested-${source}`);
    await page.goto(`${origin}/p/contoso/test/settings`);
  }

  step = "no complaints";
  assert.deepEqual(complaints, []);
} catch (error) {
  await shot("failed-schedules").catch(() => {});
  console.error(`step "${step}": ${error.stack ?? error}\n${complaints.join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
