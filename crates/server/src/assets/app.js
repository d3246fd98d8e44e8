// What makes the dashboard pleasant, and nothing that it needs: every page is whole without it.
"use strict";

// Pages that change by themselves are fetched again, and what is new takes the place of what was there.
const LIVE_MS = 5000;

// A job tells what happens; what it tells is shown at once, and at most this often.
const FRAME_MS = 250;

let asked = 0;

async function refresh() {
  const main = document.querySelector("main[data-live]");
  if (!main || document.hidden) return;
  // Nothing moves under whoever is writing or choosing.
  const busy = main.contains(document.activeElement) && document.activeElement !== main;
  if (busy || main.querySelector("details[open]") || document.getSelection().toString()) return;
  const mine = ++asked;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.redirected) { location.reload(); return; }
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const newer = page.querySelector("main[data-live]");
    if (newer && mine === asked) {
      main.replaceChildren(...newer.childNodes);
      watch();
    }
  } catch {
    // The service may be away for a moment; the next time tells.
  }
}

// Live progress of one job.
let source = null;

function watch() {
  const job = document.querySelector("[data-events]");
  if (!job || source || !window.EventSource) return;
  source = new EventSource(job.dataset.events);
  let last = 0;
  source.addEventListener("job", (event) => {
    const said = JSON.parse(event.data);
    show(said);
    if (said.kind === "ended") { source.close(); source = null; refresh(); return; }
    if (said.kind !== "progress" && Date.now() - last > FRAME_MS) { last = Date.now(); refresh(); }
  });
}

function show(said) {
  const bar = document.querySelector("[data-percent]");
  if (bar) bar.value = said.progress.percent;
  const fill = (name, text) => {
    const place = document.querySelector(`[data-${name}]`);
    if (place) place.textContent = text;
  };
  fill("said", `${said.progress.percent.toFixed(1)} %`);
  fill("message", said.progress.message || said.message || "");
  if (said.progress.rate) fill("rate", `${Math.round(said.progress.rate)} ${said.progress.unit}/s`);
  if (said.progress.eta_s != null) fill("eta", `about ${Math.ceil(said.progress.eta_s)} s left in this stage`);
  const log = document.querySelector("[data-log]");
  if (log && !log.querySelector(`[data-number="${said.number}"]`)) {
    const line = document.createElement("li");
    line.dataset.number = said.number;
    const texts = [new Date(said.at / 1000).toISOString().slice(11, 19), said.kind, said.message || said.progress.message || said.state];
    for (const text of texts) {
      const part = document.createElement("span");
      part.textContent = text;
      line.append(part);
    }
    log.prepend(line);
  }
}

// Keys: / searches, g and a letter goes somewhere, ? tells them all.
let going = false;

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("[data-run]")) {
    event.preventDefault();
    event.target.form.requestSubmit();
    return;
  }
  if (field || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = document.getElementById("keys");
  if (going) {
    going = false;
    const place = document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
    if (place) { event.preventDefault(); location.href = place.href; }
    return;
  }
  if (event.key === "g") { going = true; setTimeout(() => { going = false; }, 1500); }
  if (event.key === "/") { event.preventDefault(); document.querySelector("[data-find]")?.focus(); }
  if (event.key === "?") { event.preventDefault(); keys?.showModal(); }
});

// What cannot be undone is asked about.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.sure;
  if (question && !confirm(question)) event.preventDefault();
});

// What a picture is about stands in its midst; how wide it is, is known once it is there.
window.addEventListener("load", () => {
  for (const frame of document.querySelectorAll(".frame")) frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
});

watch();
if (document.querySelector("main[data-live]")) setInterval(refresh, LIVE_MS);
