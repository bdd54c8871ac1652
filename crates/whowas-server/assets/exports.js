// Exports: what is being made is looked at every second, until nothing is.

const LOOK_MS = 1000;

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [shown, next] = [document.getElementById("exports-body"), page.getElementById("exports-body")];
  if (!answer.ok || !next) throw new Error(`The server answered ${answer.status}.`);
  if (shown.innerHTML !== next.innerHTML) {
    // Whoever is on a button stays there.
    const focus = shown.contains(document.activeElement) ? document.activeElement.id : "";
    shown.replaceWith(document.adoptNode(next));
    if (focus) document.getElementById(focus)?.focus();
  }
  return next.dataset.open === "true";
}

async function follow() {
  let isOpen = document.getElementById("exports-body").dataset.open === "true";
  while (isOpen) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    // An answer that does not come is tried for again: the server may be starting anew.
    if (!document.hidden) isOpen = await look().catch(() => true);
  }
}
follow();
