// The console as people use it: by keyboard and mouse, in both themes, on a phone, without JavaScript.
//
//     node console.mjs SIGN_IN_LINK SCREENSHOT_FOLDER BROWSER
//
// Ends with 0 if everything holds, else with a message that says which step went wrong. axe-core looks at
// every page in both themes; no page may ask another host for anything, or break its own policy.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [link, screenshots, executablePath] = process.argv.slice(2);
const origin = new URL(link).origin;
const LOGS = "/p/contoso/production/monitoring/raw-logs";
const PEOPLE = ["/p/contoso/production/findings", "/p/contoso/production/findings?show=all", "/p/contoso/production/monitoring?range=-30d", "/p/contoso/production/presence?at=2026-11-06T14:30", "/p/contoso/production/monitoring/coverage?year=2026", "/p/contoso/production/users/nobody",
  "/p/contoso/production/users/00000000-0000-4000-8000-00000000beef?start=2026-11-01&end=2026-11-12"];
const FIXED = `${LOGS}?start=2026-11-05&end=2026-11-12`;

mkdirSync(screenshots, { recursive: true });
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];
function watch(page) {
  page.on("console", (message) => message.type() === "error" && complaints.push(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`asks elsewhere: ${request.url()}`);
  });
  return page;
}

let step = "start";
const context = await browser.newContext({ acceptDownloads: true, viewport: { width: 1440, height: 900 }, timezoneId: "Europe/Vienna" });
const page = watch(await context.newPage());
const open = async (path) => { await page.goto(origin + path); };
const shot = (name) => page.screenshot({ path: join(screenshots, `${name}.png`) });
const total = async () => (await page.locator("#total").innerText()).replaceAll("\u202f", "");

/** Says what axe-core finds. Its script runs in a page without the page's own policy. */
async function audit(path, colorScheme, storageState) {
  // Signed in, without the theme that was chosen on the way.
  const signedIn = { cookies: storageState.cookies, origins: [] };
  const apart = await browser.newContext({ bypassCSP: true, colorScheme, storageState: signedIn, reducedMotion: "reduce", viewport: { width: 1280, height: 800 } });
  const audited = await apart.newPage();
  await audited.goto(origin + path);
  if (path.startsWith(`${LOGS}?`)) await audited.locator("#histogram").waitFor();
  await audited.evaluate(axe);
  const found = await audited.evaluate(() => globalThis.axe.run());
  await audited.screenshot({ path: join(screenshots, `${colorScheme}-${path.split("?")[0].replaceAll("/", "_")}.png`) });
  await apart.close();
  const lines = found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
  assert.deepEqual(lines, [], `${path} in ${colorScheme}`);
}

try {
  step = "sign in";
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in as administrator" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();

  step = "chart and common values";
  await open(FIXED);
  const all = await total();
  await page.locator("#histogram").waitFor();
  assert.ok(await page.locator("#histogram rect.success").count() > 0);
  const users = page.locator(".facet", { has: page.getByRole("heading", { name: "User", exact: true }) });
  assert.ok(await users.locator("li").count() > 1);
  await shot("chart");

  step = "a common value, only and without";
  const service = page.locator(".facet", { has: page.getByRole("heading", { name: "Status" }) }).locator("li").first();
  const count = (await service.locator(".count").innerText()).replaceAll("\u202f", "");
  await service.locator(".value a").click();
  await page.locator("#histogram").waitFor();
  assert.equal(await total(), count, "the number beside a value is the number of its rows");
  assert.match(await page.locator("#filter").inputValue(), /^status:"\w+"$/);
  await page.goBack();
  await page.locator("#histogram").waitFor();
  await page.locator(".facet li .without").first().click();
  assert.match(await page.locator("#filter").inputValue(), /^-user:"/);

  step = "drag over the chart";
  await open(FIXED);
  await page.locator("#histogram").waitFor();
  const box = await page.locator("#histogram").boundingBox();
  await page.mouse.move(box.x + box.width * 0.4, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2, { steps: 5 });
  await Promise.all([page.waitForURL(/start=2026-11-0\dT/), page.mouse.up()]);
  assert.ok(Number(await total()) < Number(all));
  assert.equal(await page.locator("#start").getAttribute("type"), "datetime-local");

  step = "a record beside the rows, by keyboard";
  await open(FIXED);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.locator("#record-body").waitFor();
  const position = await page.locator("#grid tr.current").getAttribute("data-position");
  assert.match(await page.locator("#detail").innerText(), new RegExp(`Record ${position}[^]*occurred_at[^]*Raw record`));
  assert.equal(new URL(page.url()).searchParams.get("record"), position);
  await shot("record");
  await page.keyboard.press("k");
  await page.waitForFunction((old) => new URL(location).searchParams.get("record") !== old, position);
  const linked = page.url();
  await page.keyboard.press("Escape");
  assert.ok(await page.locator("#detail").isHidden());
  await page.goto(linked);
  await page.locator("#record-body").waitFor();

  step = "columns";
  await open(FIXED);
  await page.getByText("Columns", { exact: true }).click();
  await page.getByLabel("E-mail").uncheck();
  assert.ok(await page.locator("#grid th.of-email").isHidden());
  await page.reload();
  assert.ok(await page.locator("#grid th.of-email").isHidden(), "the address remembers it");
  assert.equal(await page.locator("#grid th.of-name").isVisible(), true);

  step = "palette and filter by keyboard";
  await open(FIXED);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("failures");
  await Promise.all([page.waitForURL(/query=sign-in-failures/), page.keyboard.press("Enter")]);
  await open(FIXED);
  await page.locator("#histogram").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("stat");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#filter").inputValue(), "status:");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.match(await page.locator("#filter").inputValue(), /^status:"\w+" $/);
  await page.locator("#filter").fill("nobody:knows");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();

  step = "rows join while one scrolls";
  await open(FIXED);
  const rows = page.locator("#grid tbody tr");
  assert.equal(await rows.count(), 100);
  await page.locator("#results .scroll").evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight));
  await page.waitForFunction(() => document.querySelectorAll("#grid tbody tr").length > 100);

  step = "time zone of the reader";
  await open(FIXED);
  assert.ok((await page.locator("#zones option").evaluateAll((zones) => zones.map((zone) => zone.value))).includes("Europe/Vienna"));
  const utc = await page.locator("#grid .of-start a").first().innerText();
  await page.locator("#tz").fill("Asia/Tokyo");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await page.waitForURL(/tz=Asia/);
  assert.notEqual(await page.locator("#grid .of-start a").first().innerText(), utc);

  step = "coverage under the chart, and its calendar by keyboard";
  await open(FIXED);
  await page.locator(".band .band-row").first().waitFor();
  await page.locator(".band a", { hasText: "Coverage" }).click();
  await page.getByRole("heading", { name: "Coverage 2026" }).waitFor();
  const firstDay = page.locator(".days a").first();
  await firstDay.focus();
  for (let week = 0; week < 44; week += 1) await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await shot("coverage");
  await Promise.all([page.waitForURL(/start=2026-11-06&end=2026-11-06/), page.keyboard.press("Enter")]);
  await page.locator("#grid").waitFor();

  step = "a user and a session";
  await open(FIXED);
  await page.locator("#grid tbody tr").first().locator(".of-start a").click();
  await page.locator("#record-body").waitFor();
  await page.locator("#record-body").getByRole("link", { name: "User" }).click();
  await page.getByRole("heading", { name: "Sessions, day by day" }).waitFor();
  await page.goto(`${page.url()}?start=2026-11-01&end=2026-11-12`);
  assert.ok(Number(await total()) > 0);
  await shot("user");
  await Promise.all([page.waitForURL(/\/sessions\/\d+$/), page.locator(".gantt .day svg a").first().click()]);
  assert.match(await page.locator("#grid tbody").innerText(), /logon/);
  await shot("session");
  const proof = page.waitForEvent("download");
  await page.locator("#grid tbody a[download]").first().click();
  assert.match(readFileSync(await (await proof).path(), "utf8"), /^c2sp\.org\/tlog-proof@v1/);

  step = "who was there at an instant, and the proof of it, in six clicks";
  let clicks = 0;
  const click = async (target) => { clicks += 1; await target.click(); };
  await open("/");
  await click(page.getByRole("link", { name: "production" }).first());
  await click(page.getByRole("link", { name: "Presence" }).first());
  await page.locator("#at").fill("2026-11-06T14:30");
  await click(page.getByRole("button", { name: "Show" }));
  await page.locator("#evidence").waitFor();
  assert.equal(await total(), "240");
  await shot("presence");
  const bundle = page.waitForEvent("download");
  await click(page.locator("#evidence"));
  const zip = await (await bundle).path();
  assert.ok(clicks <= 6, `${clicks} clicks`);
  assert.equal(readFileSync(zip).subarray(0, 2).toString(), "PK");
  copyFileSync(zip, join(screenshots, "presence-evidence.zip"));

  step = "the slider by keyboard";
  await page.locator("#slider").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#at").inputValue(), "2026-11-06T14:31");
  await page.waitForURL(/at=2026-11-06T14%3A31/);
  await page.getByRole("link", { name: "+1 hour" }).click();
  await page.waitForURL(/at=2026-11-06T15%3A31/);
  await page.getByRole("link", { name: "+1 day" }).click();
  await page.waitForURL(/at=2026-11-07T15%3A31/);
  assert.equal(await total(), "0");

  step = "the overview, and where it leads";
  await open("/p/contoso/production/monitoring?range=-30d");
  const signIns = (await page.locator("#sign-ins").innerText()).replaceAll("\u202f", "");
  await shot("overview");
  await page.getByRole("link", { name: "Sign-ins over time" }).click();
  assert.equal(await total(), signIns);

  step = "from a finding to its review";
  await open("/p/contoso/production/findings");
  const open1 = Number(await total());
  assert.ok(open1 > 0);
  await shot("findings");
  await page.getByLabel("Note").first().fill("Looked at it.");
  await page.getByRole("button", { name: "Reviewed" }).first().click();
  await page.waitForFunction((before) => Number(document.querySelector("#total").textContent) === before - 1, open1);
  await page.getByRole("cell", { name: "Looked at it." }).waitFor();
  await page.getByRole("link", { name: "All", exact: true }).click();
  await page.getByText("Reviewed by administrator").waitFor();

  step = "theme";
  await page.getByRole("button", { name: /Theme/ }).click();
  await page.getByRole("button", { name: /Theme/ }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "it is remembered");

  step = "a session";
  await open("/p/contoso/production/presence?at=2026-11-06T14:30");
  PEOPLE.push(await page.locator("#grid tbody a", { hasText: "2026-11-06" }).first().getAttribute("href"));

  step = "a phone";
  for (const [width, height] of [[360, 780], [800, 600], [1920, 1080], [3840, 2160]]) {
    await page.setViewportSize({ width, height });
    await open(FIXED);
    await page.locator("#histogram").waitFor();
    const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= inner, `${wide} of ${width} pixels`);
    await shot(`width-${width}`);
    for (const path of PEOPLE) {
      await open(path);
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= inner, `${path}: ${wide} of ${width} pixels`);
      if (width === 360) await shot(`width-360${path.split("?")[0].replaceAll("/", "_")}`);
    }
  }

  step = "without JavaScript";
  const storageState = await context.storageState();
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState, viewport: { width: 1280, height: 800 } });
  const still = watch(await plain.newPage());
  await still.goto(origin + FIXED);
  assert.equal(await still.locator("#grid tbody tr").count(), 100);
  await still.getByLabel("Filter").fill("status:success");
  await still.getByRole("button", { name: "Search", exact: true }).click();
  await still.getByRole("link", { name: "When, and the most common values" }).click();
  await still.locator(".facet").first().waitFor();
  await still.goto(origin + FIXED);
  await still.locator("#grid .of-start a").first().click();
  assert.match(await still.locator("h1").innerText(), /^Record \d+/);
  await still.screenshot({ path: join(screenshots, "without-javascript.png") });
  await still.goto(`${origin}/p/contoso/production/presence?at=2026-11-06T14:30`);
  assert.ok(await still.locator("#slider").isHidden());
  await still.getByRole("link", { name: "−1 hour" }).click();
  assert.match(still.url(), /at=2026-11-06T13%3A30/);
  await still.locator("#grid tbody a", { hasText: "2026-11-06" }).first().click();
  assert.match(await still.locator("h1").innerText(), /^Session of/);
  await plain.close();

  for (const colorScheme of ["light", "dark"]) {
    for (const path of ["/", "/p/contoso/production", "/p/contoso/production/monitoring", "/p/contoso/production/monitoring/activity",
      FIXED, `${LOGS}/1`, "/p/contoso/production/users", ...PEOPLE]) {
      step = `axe-core: ${path} in ${colorScheme}`;
      await audit(path, colorScheme, storageState);
    }
  }

  step = "no complaints";
  assert.deepEqual(complaints, []);
} catch (error) {
  await shot("failed").catch(() => {});
  console.error(`step "${step}": ${error.stack ?? error}\n${complaints.join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
