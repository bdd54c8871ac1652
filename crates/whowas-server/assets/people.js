// Comforts of the pages of people, of time and of coverage. Every page works without them.

// ---- a year's days: one stop of the Tab key, arrows move by days and weeks

for (const calendar of document.querySelectorAll(".days")) {
  const days = [...calendar.querySelectorAll("a")];
  const go = (at) => {
    const next = days[at];
    if (!next) return;
    calendar.querySelector("a[tabindex='0']")?.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  };
  calendar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 7, ArrowLeft: -7, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = days.indexOf(event.target.closest("a"));
    if (at < 0) return;
    if (step) go(Math.min(Math.max(at + step, 0), days.length - 1));
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(days.length - 1);
    else return;
    event.preventDefault();
  });
}

// ---- presence: a slider over the day; letting go of it asks

const slider = document.getElementById("slider");
if (slider) {
  const [at, shown] = [document.getElementById("at"), document.getElementById("slider-time")];
  const time = () => [slider.value / 60, slider.value % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
  const follow = () => {
    shown.textContent = time();
    slider.setAttribute("aria-valuetext", `${time()} UTC`);
    at.value = `${slider.dataset.date}T${time()}`;
  };
  slider.closest("label").hidden = false;
  shown.textContent = time();
  slider.setAttribute("aria-valuetext", `${time()} UTC`);
  slider.addEventListener("input", follow);
  // Keys change it step by step: wait until they rest.
  let waiting = 0;
  slider.addEventListener("change", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => at.form.requestSubmit(), 600);
  });
}

// ---- a day's stretches: one stop of the Tab key, arrows move

for (const chart of document.querySelectorAll(".at-once")) {
  const links = [...chart.querySelectorAll("a")];
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = links.indexOf(event.target.closest("a"));
    if (!step || at < 0) return;
    event.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  });
}
