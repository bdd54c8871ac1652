// Exports, saved queries, the report, and every other page: by mouse and keyboard, in both themes, without JavaScript.
//
//     node exports.mjs SIGN_IN_LINK SCREENSHOT_FOLDER BROWSER
//
// Ends with 0 if everything holds, else with a message that says which step went wrong.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [link, screenshots, executablePath] = process.argv.slice(2);
const origin = new URL(link).origin;
const BASE = "/p/contoso/production";
const LOGS = `${BASE}/monitoring/raw-logs`;
const FIXED = `${LOGS}?start=2026-11-05&end=2026-11-12`;
const PAGES = [`${BASE}/settings`, `${BASE}/exports`, `${BASE}/monitoring/queries`, `${BASE}/report?from=2026-11-01&to=2026-12-01`, `${BASE}/report?from=never`,
  `${BASE}/presence?at=2026-11-06T14:30`, `${BASE}/online`, `${BASE}/user-log`, `${BASE}/dormant`, `${BASE}/aging`,
  `${BASE}/distinct-users?from=2026-11-01&to=2026-11-30`, `${BASE}/after-leaving`, `${BASE}/monitoring/health`, `${BASE}/users`,
  `${LOGS}?start=2001-01-01&end=2001-01-02`, `${LOGS}?filter=nobody:knows`, `${BASE}/nothing/here`];

mkdirSync(screenshots, { recursive: true });
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];
function watch(page) {
  page.on("console", (message) => message.type() === "error" && !/404|400/.test(message.text()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`asks elsewhere: ${request.url()}`);
  });
  return page;
}

let step = "start";
const context = await browser.newContext({ acceptDownloads: true, viewport: { width: 1440, height: 900 } });
const page = watch(await context.newPage());
const open = async (path) => { await page.goto(origin + path); };
const shot = (name, target = page) => target.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Asks for an export of this shape from the page of raw logs. */
async function ask(shape) {
  await open(FIXED);
  await page.locator("#exports summary").click();
  await page.getByLabel("In the background").selectOption({ label: shape });
  await Promise.all([page.waitForURL(/\/exports$/), page.getByRole("button", { name: "Make" }).click()]);
}

try {
  step = "sign in";
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in as administrator" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();

  step = "no export yet";
  await open(`${BASE}/exports`);
  await page.getByText("No export was asked for yet").waitFor();
  await shot("exports-empty");

  step = "an export in the background, fetched and checked";
  await open(FIXED);
  const total = (await page.locator("#total").innerText()).replaceAll("\u202f", "");
  for (const shape of ["CSV", "Evidence bundle, CSV"]) {
    await ask(shape);
    const job = page.locator(".job").first();
    await job.locator(".badge.done").waitFor();
    const rows = (await job.locator("dt:text-is('Rows') + dd").innerText()).replaceAll("\u202f", "");
    assert.equal(rows, total, shape);
    const [download] = await Promise.all([page.waitForEvent("download"), job.getByRole("link", { name: /^Download/ }).click()]);
    assert.equal(sha256(await download.path()), await job.locator("dt:text-is('SHA-256') + dd").innerText());
  }
  await shot("exports");

  step = "an export goes when it is deleted";
  const before = await page.locator(".job").count();
  await page.locator(".job").first().getByRole("button", { name: /^Delete/ }).press("Enter");
  await page.waitForFunction((count) => document.querySelectorAll(".job").length === count - 1, before);

  step = "a query under a name";
  await open(`${FIXED}&filter=status:success`);
  await page.locator("#save summary").click();
  await page.locator("#save input[name=name]").fill("Successful <week>");
  await page.getByLabel(/everybody who may read/).check();
  await page.getByRole("button", { name: "Save this query" }).click();
  await page.waitForURL(/filter=status%3Asuccess/);
  assert.equal(await page.locator("#query option:checked").innerText(), "Successful <week>");
  await open(FIXED);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("successful");
  await Promise.all([page.waitForURL(/filter=status%3Asuccess/), page.keyboard.press("Enter")]);
  await page.locator("#save summary").click();
  await shot("save-query");
  await page.getByRole("link", { name: "Saved queries" }).click();
  await page.getByLabel("Name of Successful <week>").fill("Renamed");
  await page.getByRole("button", { name: "Save Successful <week>" }).click();
  await page.getByRole("link", { name: "Renamed" }).waitFor();
  await shot("queries");

  step = "the report";
  await open(`${BASE}/report?from=2026-11-01&to=2026-12-01`);
  await page.getByRole("heading", { name: "Coverage" }).waitFor();
  const [pdf] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "PDF" }).click()]);
  assert.equal(readFileSync(await pdf.path()).subarray(0, 5).toString(), "%PDF-");
  await page.emulateMedia({ media: "print" });
  await shot("report-print");
  await page.emulateMedia({ media: null });

  step = "by keyboard through every page";
  for (const path of PAGES) {
    await open(path);
    const known = new Set();
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const one = document.activeElement;
        if (!one || one === document.body) return null;
        const box = one.getBoundingClientRect();
        const style = getComputedStyle(one);
        // In a date, the browser shows which part has the focus.
        return { name: `${one.tagName}#${one.id} ${one.getAttribute("href") ?? one.getAttribute("name") ?? one.textContent.slice(0, 20)}`, seen: box.width > 0 && (style.outlineStyle !== "none" || /^date/.test(one.type ?? "")) };
      });
      if (at === null) break;
      assert.ok(at.seen, `${path}: the focus is not seen on ${at.name}`);
      known.add(at.name);
    }
    assert.ok(known.size >= 4, `${path}: ${[...known].join(", ")}`);
  }

  step = "on a phone and on a wall";
  for (const [width, height] of [[360, 780], [3840, 2160]]) {
    await page.setViewportSize({ width, height });
    for (const path of PAGES) {
      await open(path);
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= inner, `${path}: ${wide} of ${width} pixels`);
      if (width === 360) await shot(`phone-${path.split("?")[0].replaceAll("/", "_")}`);
    }
  }

  step = "without JavaScript";
  const storageState = await context.storageState();
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState });
  const still = watch(await plain.newPage());
  await still.goto(origin + FIXED);
  await still.locator("#exports summary").click();
  await still.getByRole("button", { name: "Make" }).click();
  await still.waitForURL(/\/exports$/);
  for (let look = 0; look < 50 && await still.locator(".job").first().locator(".badge.done").count() === 0; look += 1) await still.reload();
  await still.locator(".job").first().getByRole("link", { name: /^Download/ }).waitFor();
  await still.goto(`${origin}${LOGS}`);
  await still.getByLabel("Query").selectOption({ label: "Renamed" });
  await Promise.all([still.waitForURL(/filter=status%3Asuccess/), still.getByRole("button", { name: "Search", exact: true }).click()]);
  for (const path of PAGES) {
    await still.goto(origin + path);
    assert.ok(await still.locator("h1").first().isVisible(), path);
  }
  await plain.close();

  for (const colorScheme of ["light", "dark"]) {
    const apart = await browser.newContext({ bypassCSP: true, colorScheme, storageState, reducedMotion: "reduce", viewport: { width: 1280, height: 800 } });
    const audited = await apart.newPage();
    for (const path of PAGES) {
      step = `axe-core: ${path} in ${colorScheme}`;
      await audited.goto(origin + path);
      await audited.evaluate(axe);
      const found = await audited.evaluate(() => globalThis.axe.run());
      await shot(`${colorScheme}-${path.split("?")[0].replaceAll("/", "_")}`, audited);
      const lines = found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
      assert.deepEqual(lines, []);
    }
    await apart.close();
  }

  step = "no complaints";
  assert.deepEqual(complaints, []);
} catch (error) {
  await shot("failed-exports").catch(() => {});
  console.error(`step "${step}": ${error.stack ?? error}\n${complaints.join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
