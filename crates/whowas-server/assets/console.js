// Small comforts. Every page works without them.
"use strict";

// The start date follows the end date, seven days before it, until somebody chooses a start date.
const start = document.getElementById("start");
const end = document.getElementById("end");
if (start && end) {
  const weekBefore = (date) => new Date(date.getTime() - 7 * 86400000).toISOString().slice(0, 10);
  let follows = end.valueAsDate !== null && start.value === weekBefore(end.valueAsDate);
  start.addEventListener("input", () => { follows = start.value === ""; });
  end.addEventListener("input", () => {
    if (follows && end.valueAsDate !== null) start.value = weekBefore(end.valueAsDate);
  });
}

// "/" goes to the filter, as in other consoles.
document.addEventListener("keydown", (event) => {
  const filter = document.getElementById("filter");
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "/" && filter && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    filter.focus();
    filter.select();
  }
});
