// How fast the console is in a browser: on a server that runs already, with as many records as it has.
//
//     NODE_PATH=target/browser/node_modules node scripts/browser_speed.mjs SIGN_IN_LINK PROJECT/ENVIRONMENT START END [BROWSER] [TIMES]
//
// START and END are days of the range that is looked at. Prints one JSON object: medians of TIMES (5) runs in
// milliseconds, and the weight of the page in bytes as the network carries it and after gzip.

import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");

const [link, environment, start, end, executablePath = "/usr/bin/chromium", times = "5"] = process.argv.slice(2);
if (!end) {
  console.error("usage: browser_speed.mjs SIGN_IN_LINK PROJECT/ENVIRONMENT START END [BROWSER] [TIMES]");
  process.exit(2);
}
const origin = new URL(link).origin;
const logs = `${origin}/p/${environment}/monitoring/raw-logs?start=${start}&end=${end}`;
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const rounded = (value) => Math.round(value * 10) / 10;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"] });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
await page.goto(link);
await page.getByRole("button", { name: "Sign in as administrator" }).click();
await page.getByRole("heading", { name: "Projects" }).waitFor();

/** One visit: when something was painted, when the first rows were there, when the chart and common values were. */
async function visit(address) {
  await page.goto("about:blank");
  const watched = page.addInitScript(() => {
    globalThis.seen = {};
    const look = () => {
      const now = performance.now();
      if (document.querySelector("#grid tbody tr")) globalThis.seen.rows ??= now;
      if (document.querySelector("#histogram")) globalThis.seen.chart ??= now;
      if (globalThis.seen.chart === undefined) requestAnimationFrame(look);
    };
    look();
  });
  await watched;
  await page.goto(address);
  await page.locator("#histogram").waitFor({ timeout: 60_000 });
  return page.evaluate(() => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN;
    const [navigation] = performance.getEntriesByType("navigation");
    return { paint, answer: navigation.responseEnd, rows: globalThis.seen.rows, chart: globalThis.seen.chart };
  });
}

/** Time between frames while the rows are scrolled to their end, and whether a frame showed no row. */
async function scroll() {
  return page.evaluate(async () => {
    const scroller = document.querySelector("#results .scroll");
    const gaps = [];
    let [blank, before] = [0, performance.now()];
    for (let frame = 0; frame < 180; frame += 1) {
      scroller.scrollTop += 60;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      gaps.push(now - before);
      before = now;
      const box = scroller.getBoundingClientRect();
      // In the middle of what is seen of it: its foot may be below the window.
      const foot = Math.min(box.bottom, innerHeight);
      const at = document.elementFromPoint(box.left + box.width / 2, (box.top + foot) / 2);
      if (!at?.closest("tr")) blank += 1;
    }
    gaps.sort((a, b) => a - b);
    const rows = document.querySelectorAll("#grid tbody tr").length;
    return { median: gaps[Math.floor(gaps.length / 2)], p99: gaps[Math.floor(gaps.length * 0.99)], blank, rows };
  });
}

/** Bytes of everything that a first visit loads. */
async function weight() {
  const fresh = await browser.newContext({ storageState: await context.storageState() });
  const first = await fresh.newPage();
  const bodies = [];
  first.on("response", (response) => bodies.push(response.body().catch(() => Buffer.alloc(0))));
  await first.goto(logs);
  await first.locator("#histogram").waitFor({ timeout: 60_000 });
  const all = await Promise.all(bodies);
  await fresh.close();
  return { requests: all.length, bytes: all.reduce((sum, body) => sum + body.length, 0), gzip: all.reduce((sum, body) => sum + gzipSync(body).length, 0) };
}

const visits = [];
for (let run = 0; run < Number(times); run += 1) visits.push(await visit(logs));
const rows = (await page.locator("#total").innerText()).replaceAll("\u202f", "");
const scrolled = await scroll();
// From the press of Search to rows of another question.
const searches = [];
for (let run = 0; run < Number(times); run += 1) {
  await page.goto(logs);
  await page.locator("#histogram").waitFor({ timeout: 60_000 });
  await page.locator("#filter").fill("status:failure");
  const before = Date.now();
  await page.keyboard.press("Enter");
  await page.waitForURL(/status%3Afailure/);
  await page.locator("#grid tbody tr").first().waitFor();
  searches.push(Date.now() - before);
}
const of = (name) => rounded(median(visits.map((one) => one[name])));
console.log(JSON.stringify({
  rows: Number(rows), times: Number(times), first_contentful_paint_ms: of("paint"), answer_ms: of("answer"), first_rows_ms: of("rows"),
  chart_and_common_values_ms: of("chart"), search_to_rows_ms: rounded(median(searches)),
  scroll: { frame_median_ms: rounded(scrolled.median), frame_p99_ms: rounded(scrolled.p99), frames_without_rows: scrolled.blank, rows: scrolled.rows },
  page: await weight(),
}, null, 1));
await browser.close();
