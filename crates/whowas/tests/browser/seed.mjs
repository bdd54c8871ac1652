// The eight steps of the original procedure, by clicking, in a real Chromium.
//
//     node seed.mjs SIGN_IN_LINK SCREENSHOT_FOLDER BROWSER
//
// Ends with 0 if every page shows what it should, else with a message that says which step went wrong.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

// NODE_PATH is for require only.
const { chromium } = createRequire(import.meta.url)("playwright-core");

const [link, screenshots, executablePath] = process.argv.slice(2);
const TOTAL = 244;
const PAGE_ROWS = 100;

mkdirSync(screenshots, { recursive: true });
const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
  ],
});

/** Waits for the click and for the page that it leads to. */
async function follow(page, role, name) {
  await page.getByRole(role, { name, exact: true }).click();
  await page.waitForLoadState("load");
}

async function heading(page, text) {
  await page.getByRole("heading", { level: 1, name: text, exact: true }).waitFor();
}

/** The cells of the grid as a person reads them, row by row. */
async function cells(page) {
  return page.locator("#grid tbody tr").evaluateAll(
    (rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
}

/** A file of comma-separated values as rows of fields. */
function csv(text) {
  const fields = (line) => [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare);
  assert.ok(text.endsWith("\r\n"), "the file ends with a line end");
  const [header, ...rows] = text.slice(0, -2).split("\r\n").map(fields);
  return rows.map((row) => Object.fromEntries(header.map((name, at) => [name, row[at]])));
}

let step = "start";
const context = await browser.newContext({ acceptDownloads: true, viewport: { width: 1360, height: 800 } });
const page = await context.newPage();
const complaints = [];
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));

async function shot(name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

try {
  step = "1 sign in";
  await page.goto(link);
  await shot("0-sign-in");
  await follow(page, "button", "Sign in as administrator");
  await heading(page, "Projects");
  await page.getByRole("heading", { level: 2, name: "contoso" }).waitFor();
  await shot("1-projects");

  step = "2 environment details";
  await follow(page, "link", "production");
  await heading(page, "Environment details");
  await shot("2-details");

  step = "3 monitoring";
  await follow(page, "link", "Environment monitoring");
  await heading(page, "Overview");
  await shot("3-monitoring");

  step = "4 activity, view raw logs";
  await follow(page, "link", "Activity");
  await heading(page, "Activity");
  await shot("4-activity");
  await follow(page, "link", "View raw logs");
  await heading(page, "View raw logs");

  step = "5 query";
  const query = page.getByLabel("Query");
  const offered = await query.locator("option").allInnerTexts();
  assert.equal(offered[0], "User login events", "it is offered first");
  await query.selectOption({ label: "User login events" });
  await shot("5-query");

  step = "6 end date, search";
  await page.getByLabel("End date").fill("2026-11-12");
  assert.equal(await page.getByLabel("Start date").inputValue(), "2026-11-05", "seven days before the end date");
  // The chart waits until the page without it was looked at.
  let releaseChart;
  const looked = new Promise((done) => { releaseChart = done; });
  await page.route(/\/raw-logs\/summary\?/, async (route) => { await looked; await route.continue(); });
  await follow(page, "button", "Search");
  assert.equal(await page.locator("#total").innerText(), String(TOTAL));

  step = "nothing moves when the chart arrives";
  const place = () => page.locator("#export").evaluate((link) => { const { x, y } = link.getBoundingClientRect(); return [x, y]; });
  assert.equal(await page.locator("#histogram").count(), 0, "it is not here yet");
  const before = await place();
  releaseChart();
  await page.locator("#histogram").waitFor();
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.deepEqual(await place(), before, "a click on what moves misses it");

  step = "7 rows";
  const heads = await page.locator("#grid thead th").allInnerTexts();
  assert.deepEqual(heads.map((head) => head.trim()), [
    "User ID", "Name", "E-mail", "Start", "End", "Status", "IP address", "Client", "Service", "Proof",
  ]);
  const rows = await cells(page);
  assert.equal(rows.length, PAGE_ROWS);
  const service = "Dynamics 365 Finance and Operations";
  assert.deepEqual(rows.slice(0, 4).map((row) => row.slice(0, -1)), [
    ["a9b8c7d6-e5f4-4321-9876-fedcba987604", "", "", "2026-11-12 23:59:59", "", "success", "203.0.113.99",
      "Chrome 130", service],
    ["e2f4a6c8-1d3b-4a5c-8e7f-90a1b2c3d403", "Yuki Marchetti", "yuki.marchetti@contoso.example",
      "2026-11-10 06:50:44", "2026-11-10 15:20:00", "success", "2001:db8::17", "=HYPERLINK(contoso)", service],
    ["7c0e5b1a-2f64-4d1e-9a31-0c5f6d2e8a01", "Mira Okonjo", "mira.okonjo@contoso.example",
      "2026-11-09 08:00:05", "2026-11-09 16:45:00", "success", "192.0.2.10", "Edge 129", service],
    ["1b9d7e42-8c35-4f0a-b6e7-5a2c9f4d1b02", "Tobias Lindqvist", "tobias.lindqvist@contoso.example",
      "2026-11-08 21:40:10", "2026-11-08 22:10:45", "success", "198.51.100.7", "Firefox 131", service],
  ]);
  assert.ok(rows.every((row) => /^\d+$/.test(row.at(-1))), "every row leads to its proof");
  const proving = page.waitForEvent("download");
  await page.locator("#grid tbody tr").first().getByRole("link", { name: rows[0].at(-1), exact: true }).click();
  const proof = await proving;
  assert.equal(proof.suggestedFilename(), `contoso-production-${rows[0].at(-1)}.tlog-proof`);
  assert.ok(readFileSync(await proof.path(), "utf8").startsWith("c2sp.org/tlog-proof@v1\nextra "));
  await shot("7-rows");
  const seen = new Set();
  const remember = async () => {
    for (const row of await page.locator("#grid tbody tr").all()) seen.add(await row.getAttribute("data-position"));
  };
  await remember();
  const first = page.url();
  for (let pages = 1; await page.getByRole("link", { name: "Older" }).count() > 0; pages += 1) {
    assert.ok(pages < 4, "three pages have all rows");
    await follow(page, "link", "Older");
    await remember();
  }
  assert.equal(seen.size, TOTAL, "the pages have every row once");
  await page.goto(first);
  await page.locator("#histogram").waitFor();

  step = "8 export grid";
  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export grid" }).click();
  const download = await downloading;
  assert.match(download.suggestedFilename(), /\.csv$/);
  const exported = csv(readFileSync(await download.path(), "utf8"));
  assert.equal(exported.length, TOTAL, "every row is exported, not the page alone");
  for (const [at, row] of rows.entries()) {
    const shown = [exported[at].user_id, exported[at].full_name, exported[at].email_addr];
    assert.deepEqual(shown, row.slice(0, 3), `row ${at}`);
    assert.equal(exported[at].start.slice(0, 19).replace("T", " "), row[3], `row ${at}`);
  }
  assert.equal(exported[1].client, "'=HYPERLINK(contoso)", "a spreadsheet would run it");

  step = "filter";
  await page.getByLabel("Filter").fill("user:mira -status:failure");
  await follow(page, "button", "Search");
  assert.equal(await page.locator("#total").innerText(), "1");
  await page.getByLabel("Filter").fill("shoe:42");
  await follow(page, "button", "Search");
  assert.match(await page.getByRole("alert").innerText(), /shoe/);
  await shot("9-filter-refused");

  step = "users";
  await follow(page, "link", "Users");
  await heading(page, "Users");
  const people = await cells(page);
  assert.deepEqual(people.map((cell) => cell.slice(0, 4)).sort(), [
    ["MIRA", "Mira Okonjo", "mira.okonjo@contoso.example", "7c0e5b1a-2f64-4d1e-9a31-0c5f6d2e8a01"],
    ["TOBIAS", "Tobias Lindqvist", "tobias.lindqvist@contoso.example", "1b9d7e42-8c35-4f0a-b6e7-5a2c9f4d1b02"],
    ["YUKI", "Yuki Marchetti", "yuki.marchetti@contoso.example", "e2f4a6c8-1d3b-4a5c-8e7f-90a1b2c3d403"],
  ]);
  await shot("10-users");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(first);
  await shot("11-rows-dark");
  await page.setViewportSize({ width: 480, height: 800 });
  await shot("12-rows-narrow");

  step = "sign out";
  await follow(page, "button", "Sign out");
  await heading(page, "Sign in");
  await page.goto(link);
  await follow(page, "button", "Sign in as administrator");
  await heading(page, "Forbidden");
  assert.match(await page.locator("main").innerText(), /this link was used already/);
  // Chromium reports that refusal (403), which was asked for.
  const unexpected = complaints.filter((text) => !text.includes("403"));
  assert.deepEqual(unexpected, [], "the console of the browser is silent");
} catch (error) {
  await shot("failed");
  console.error(`step ${step}, ${page.url().split("?")[0]}: ${error.stack}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
