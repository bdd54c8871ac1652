// Comforts. Every page works without them, and every state of a page is in its address.

const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const isTyping = () => /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");

/** The element with this id on another page. */
async function part(address, id) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById(id);
  if (!answer.ok || !found) throw new Error($("main p", page)?.textContent ?? `The server answered ${answer.status}.`);
  return document.adoptNode(found);
}

/** Says something at the foot of the window for a moment. */
function say(text) {
  const note = document.createElement("p");
  note.className = "note";
  note.role = "status";
  note.textContent = text;
  document.body.append(note);
  setTimeout(() => note.remove(), 4000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not allow copying here.");
  }
}

// ---- theme

const themes = ["system", "light", "dark"];
const theme = () => document.documentElement.dataset.theme ?? "system";
function setTheme(next) {
  if (next === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  }
  const button = $("#theme");
  button.textContent = `Theme: ${next}`;
}
$("#theme").hidden = false;
setTheme(theme());
$("#theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(theme()) + 1) % themes.length]));

// ---- the form of raw logs

const form = $("#search");
const [start, end, range, zone, filter] = ["start", "end", "range", "tz", "filter"].map((id) => document.getElementById(id));
if (form && start && end) {
  // The start date follows the end date, seven days before it, until somebody chooses a start date.
  const weekBefore = (date) => new Date(date.getTime() - 7 * 86400000).toISOString().slice(0, 10);
  const isDay = () => end.type === "date" && end.valueAsDate !== null;
  let follows = isDay() && start.value === weekBefore(end.valueAsDate);
  const fixed = () => { range.value = ""; };
  start.addEventListener("input", () => { follows = start.value === ""; fixed(); });
  end.addEventListener("input", () => {
    if (follows && isDay()) start.value = weekBefore(end.valueAsDate);
    fixed();
  });
  range.addEventListener("change", () => { if (range.value !== "") form.requestSubmit(); });
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (mine && !all("#zones option").some((option) => option.value === mine)) {
    const option = document.createElement("option");
    option.value = mine;
    option.label = "mine";
    $("#zones").prepend(option);
  }
  // An address has only what was asked for: empty fields, and dates beside a stretch up to now, are left out.
  form.addEventListener("submit", () => {
    for (const field of [range, filter, zone]) field.disabled = field.value === "" || (field === zone && field.value === "UTC");
    for (const field of [start, end]) field.disabled = range.value !== "";
    setTimeout(() => { for (const field of [range, filter, zone, start, end]) field.disabled = false; });
  });
}

// ---- histogram and common values

const summary = $("#summary");
async function loadSummary() {
  try {
    const body = await part(summary.dataset.src, "summary-body");
    $("#facets")?.replaceChildren(...$(".facets", body).children);
    summary.replaceChildren($(".chart", body));
  } catch (error) {
    const message = document.createElement("p");
    message.className = "message";
    message.textContent = `The chart could not be had. ${error.message}`;
    summary.replaceChildren(message);
  }
  const chart = $("#histogram", summary);
  if (chart) selectOn(chart);
}

/** Drags over the chart choose a range. A click on a bar is a link. */
function selectOn(chart) {
  let from = null;
  const barAt = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest?.("#histogram a");
  const mark = (to) => {
    const bars = all("a", chart);
    const [low, high] = [bars.indexOf(from), bars.indexOf(to)].sort((a, b) => a - b);
    bars.forEach((bar, at) => bar.classList.toggle("chosen", at >= low && at <= high));
    return [bars[low], bars[high]];
  };
  chart.addEventListener("dragstart", (event) => event.preventDefault());
  chart.addEventListener("pointerdown", (event) => { from = event.button === 0 ? barAt(event) : null; });
  chart.addEventListener("pointermove", (event) => { const to = barAt(event); if (from && to) mark(to); });
  chart.addEventListener("click", (event) => {
    const to = barAt(event);
    if (from && to && from !== to) {
      event.preventDefault();
      const [first, last] = mark(to);
      const address = new URL(first.href.baseVal, location.href);
      address.searchParams.set("end", last.dataset.end);
      location.assign(address);
    }
    from = null;
  });
}
if (summary) loadSummary();

// ---- rows

const current = () => $("#grid tr.current");
function go(step) {
  const rows = all("#grid tbody tr");
  const next = rows[Math.min(Math.max(rows.indexOf(current()) + step, 0), rows.length - 1)];
  if (!next) return;
  current()?.classList.remove("current");
  next.classList.add("current");
  next.scrollIntoView({ block: "nearest" });
  if (!$("#detail")?.hidden) show(next);
}

const detail = $("#detail");
let asked = 0;
async function show(row) {
  const mine = ++asked;
  current()?.classList.remove("current");
  row.classList.add("current");
  let body;
  try {
    body = await part(row.dataset.href, "record-body");
  } catch (error) {
    body = document.createElement("p");
    body.className = "message";
    body.textContent = error.message;
  }
  if (mine !== asked) return;
  for (const heading of all("h1", body)) {
    const smaller = document.createElement("h2");
    smaller.append(...heading.childNodes);
    heading.replaceWith(smaller);
  }
  for (const value of all("dd", body)) {
    const button = document.createElement("button");
    button.className = "quiet copy";
    button.title = "Copy";
    button.setAttribute("aria-label", `Copy ${value.textContent}`);
    button.textContent = "copy";
    button.addEventListener("click", () => copy(value.firstChild.textContent));
    value.append(button);
  }
  const close = document.createElement("button");
  close.className = "close";
  close.textContent = "Close";
  close.addEventListener("click", hide);
  detail.replaceChildren(close, body);
  detail.hidden = false;
  document.body.classList.add("with-panel");
  remember("record", row.dataset.position);
}
function hide() {
  if (!detail || detail.hidden) return;
  detail.hidden = true;
  document.body.classList.remove("with-panel");
  remember("record", "");
  current()?.querySelector("a.open")?.focus();
}

/** Puts a state of the page into its address. */
function remember(name, value) {
  const address = new URL(location.href);
  if (value === "") address.searchParams.delete(name);
  else address.searchParams.set(name, value);
  history.replaceState(null, "", address);
}

const results = $("#results");
if (results && detail) {
  results.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const row = event.target.closest("#grid tbody tr");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey || (link && !link.classList.contains("open"))) return;
    if (!link && String(getSelection()) !== "") return;
    event.preventDefault();
    show(row);
  });
  const record = new URL(location.href).searchParams.get("record");
  const row = record && all("#grid tbody tr").find((one) => one.dataset.position === record);
  if (row) show(row);
}

// The next page joins this one when its end is near. What is shown stays in the address's first page: the link
// to the older page is kept for whoever wants to hand it on.
const ROWS_MAX = 5000;
let isLoading = false;
async function more() {
  const older = $("#results a[rel=next]");
  const rows = $("#grid tbody");
  if (!older || !rows || isLoading || isLive || rows.rows.length >= ROWS_MAX) return;
  isLoading = true;
  try {
    const next = await part(older.href, "results");
    rows.append(...all("#grid tbody tr", next));
    const further = $("a[rel=next]", next);
    if (further) older.replaceWith(further);
    else older.remove();
    const status = $("#results [role=status]");
    status.lastChild.textContent = status.lastChild.textContent.replace(/Shown: .*/, `Shown: the first ${rows.rows.length}, newest first.`);
  } catch (error) {
    say(error.message);
  }
  isLoading = false;
}
const scroller = $("#results .scroll");
scroller?.addEventListener("scroll", () => {
  if (scroller.scrollTop + scroller.clientHeight * 2 > scroller.scrollHeight) more();
});

// ---- columns

const columns = $("#columns");
columns?.addEventListener("change", () => {
  const hidden = all("input", columns).filter((box) => !box.checked).map((box) => box.value);
  for (const box of all("input", columns)) $("#grid")?.classList.toggle(`without-${box.value}`, !box.checked);
  remember("hide", hidden.join(","));
  let field = $("input[name=hide]", form);
  if (!field) {
    field = document.createElement("input");
    field.type = "hidden";
    field.name = "hide";
    form.append(field);
  }
  field.value = hidden.join(",");
  field.disabled = hidden.length === 0;
});

// ---- live

let isLive = false;
const LIVE_MS = 2000;
const treeSize = async (name) => Number((await (await fetch(`/trails/${name}/checkpoint`)).text()).split("\n")[1]);
async function live() {
  const name = location.pathname.split("/").slice(2, 4).join("/");
  let known = await treeSize(name);
  while (isLive) {
    await new Promise((done) => setTimeout(done, LIVE_MS));
    if (!isLive || document.hidden) continue;
    if (await treeSize(name) === known) continue;
    const next = await part(location.href, "results");
    // Looking is a record of the trail too.
    known = await treeSize(name);
    $("#total").textContent = $("#total", next).textContent;
    const [rows, fresh] = [$("#grid tbody"), $("#grid tbody", next)];
    if (rows && fresh) rows.replaceChildren(...fresh.rows);
  }
}
function toggleLive() {
  const button = $("#live");
  if (!button) return;
  isLive = !isLive;
  button.setAttribute("aria-pressed", String(isLive));
  button.textContent = isLive ? "Pause" : "Live";
  if (isLive) live().catch((error) => { say(error.message); if (isLive) toggleLive(); });
}
if (results && new URL(location.href).searchParams.get("page") === null) {
  const button = document.createElement("button");
  button.id = "live";
  button.type = "button";
  button.textContent = "Live";
  button.title = "Show new rows as they come";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", toggleLive);
  $("#results .actions")?.prepend(button);
}

// ---- completion of the filter

const KEYS = ["user:", "app:", "status:", "ip:", "country:", "city:", "client:", "device:", "session:", "source:", "format:", "activity:", "code:", "reason:", "protocol:", "type:", "id:", "mfa:", "after:", "before:"];
if (filter && form) {
  const list = document.createElement("ul");
  list.id = "completions";
  list.role = "listbox";
  list.hidden = true;
  filter.after(list);
  filter.setAttribute("role", "combobox");
  filter.setAttribute("aria-controls", list.id);
  filter.setAttribute("aria-expanded", "false");
  const word = () => /(?:^|\s)(-?)([^\s"]*)$/.exec(filter.value.slice(0, filter.selectionStart));
  const values = (key) => all(".facet a[href]").filter((link) => !link.classList.contains("without"))
    .map((link) => /(?:^|\s)(\w+:"[^"]*")$/.exec(new URL(link.href).searchParams.get("filter") ?? "")?.[1])
    .filter((term) => term?.startsWith(key));
  const close = () => { list.hidden = true; filter.setAttribute("aria-expanded", "false"); };
  const choose = (text) => {
    const [, sign, typed] = word();
    const at = filter.selectionStart;
    const before = filter.value.slice(0, at - typed.length - sign.length) + sign + text + (text.endsWith(":") ? "" : " ");
    filter.value = before + filter.value.slice(at);
    filter.setSelectionRange(before.length, before.length);
    close();
    filter.focus();
    offer();
  };
  const offer = () => {
    const typed = word()?.[2] ?? "";
    const found = typed === "" ? [] : [...KEYS.filter((key) => key.startsWith(typed) && key !== typed), ...(typed.includes(":") ? values(typed) : [])].slice(0, 12);
    list.replaceChildren(...found.map((text) => {
      const item = document.createElement("li");
      item.role = "option";
      item.textContent = text;
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(text); });
      return item;
    }));
    list.hidden = found.length === 0;
    filter.setAttribute("aria-expanded", String(found.length > 0));
  };
  filter.addEventListener("input", offer);
  filter.addEventListener("blur", close);
  filter.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const items = all("li", list);
    const at = items.findIndex((item) => item.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      items[at]?.setAttribute("aria-selected", "false");
      items[(at + step + items.length) % items.length].setAttribute("aria-selected", "true");
    } else if ((event.key === "Enter" || event.key === "Tab") && at >= 0) {
      event.preventDefault();
      choose(items[at].textContent);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  });
}

// ---- the palette: every place and action of the page, by name

const palette = $("#palette");
const places = () => [
  ...all(".crumbs a, .tabs a, .bar .brand").map((link) => [link.textContent.trim() === "whowas" ? "Projects" : link.textContent.trim(), () => location.assign(link.href)]),
  ...all("#query option").map((option) => [`Query: ${option.textContent}`, () => { $("#query").value = option.value; form.requestSubmit(); }]),
  ...all("#range option").filter((option) => option.value).map((option) => [`Range: ${option.textContent}`, () => { range.value = option.value; form.requestSubmit(); }]),
  ...(filter ? [["Filter", () => filter.focus()]] : []),
  ...($("#export") ? [["Export grid", () => $("#export").click()]] : []),
  ...($("#live") ? [["Live: show new rows as they come", toggleLive]] : []),
  ...themes.map((name) => [`Theme: ${name}`, () => setTheme(name)]),
  ["Copy the address of this page", () => copy(location.href)],
  ["Keys", () => $("#keys").showModal()],
];
function openPalette() {
  const [input, list] = [$("input", palette), $("ul", palette)];
  const known = places();
  const run = (item) => { palette.close(); known[Number(item.dataset.at)][1](); };
  const fill = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    const fits = known.map(([name], at) => [name, at]).filter(([name]) => words.every((word) => name.toLowerCase().includes(word)));
    list.replaceChildren(...fits.map(([name, at], nth) => {
      const item = document.createElement("li");
      item.role = "option";
      item.id = `place-${at}`;
      item.dataset.at = at;
      item.ariaSelected = String(nth === 0);
      item.textContent = name;
      item.addEventListener("click", () => run(item));
      return item;
    }));
    input.setAttribute("aria-activedescendant", $("li", list)?.id ?? "");
  };
  input.value = "";
  input.oninput = fill;
  input.onkeydown = (event) => {
    const items = all("li", list);
    const at = items.findIndex((item) => item.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length > 0) {
      event.preventDefault();
      items[at].ariaSelected = "false";
      const next = items[(at + step + items.length) % items.length];
      next.ariaSelected = "true";
      next.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", next.id);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      run(items[at]);
    }
  };
  fill();
  palette.showModal();
}
$("#palette-open").hidden = false;
$("#palette-open").addEventListener("click", openPalette);

// ---- keys

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.key === "Escape") hide();
  if (isTyping() || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  const row = current();
  const keys = {
    "/": () => { if (filter) { filter.focus(); filter.select(); } else openPalette(); },
    j: () => go(1),
    k: () => go(-1),
    x: () => row && show(row),
    Enter: () => row && document.activeElement === document.body && show(row),
    ".": () => copy(row ? new URL(row.dataset.href, location.href).href : location.href),
    l: toggleLive,
    "?": () => $("#keys").showModal(),
  };
  const act = keys[event.key];
  if (act) {
    if (event.key !== "Enter") event.preventDefault();
    act();
  }
});
