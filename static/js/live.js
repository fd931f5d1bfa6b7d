/* A job's page while it is under way: events first, polling where they do not come. */
"use strict";
(() => {
  const page = document.getElementById("job");
  if (!page) return;
  try {
    // The order went through, so its draft has done its duty.
    const draft = sessionStorage.getItem("speechsite:sent");
    if (draft) localStorage.removeItem(draft);
    sessionStorage.removeItem("speechsite:sent");
  } catch { /* private mode */ }

  const FINAL = ["succeeded", "failed", "canceled"];
  const box = document.getElementById("job-status");
  const announcer = document.getElementById("announcer");
  const joins = () => box.querySelector(".status").dataset.joining === "yes";
  const isOver = (state) => FINAL.includes(state) && !joins();
  if (isOver(page.dataset.state)) return;

  let etag = "", asked = 0, waiting = 0, polling = 0, source = null, over = false;
  let lastSaid = "";

  function say(words) {
    if (words && words !== lastSaid) announcer.textContent = lastSaid = words;
  }
  function announce(state, percent) {
    if (state === "queued") say(announcer.dataset.queued);
    const quarter = Math.floor(percent / 25) * 25;
    if (state === "processing") say(quarter ? announcer.dataset.percent.replace("{percent}", quarter) : announcer.dataset.started);
  }

  async function refresh() {
    waiting = 0;
    asked = Date.now();
    let response;
    try {
      response = await fetch(box.dataset.url, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
    } catch { return; }
    if (response.status === 404 || response.redirected) return stop();
    if (!response.ok) return;
    etag = response.headers.get("ETag") || "";
    const fresh = await response.text();
    const held = box.contains(document.activeElement) && document.activeElement.tagName;
    box.innerHTML = fresh;
    if (held) stay(box, held);
    const status = box.querySelector(".status");
    const state = status.dataset.state;
    page.dataset.state = state;
    announce(state, Number(status.dataset.percent));
    page.dispatchEvent(new CustomEvent("job-moved", { detail: { lengths: status.dataset.lengths ? status.dataset.lengths.split(",").map(Number) : [], state } }));
    if (isOver(state)) finish(state);
  }
  /* Who stood on something that is gone stays where it was: on its like, or on the whole. */
  function stay(where, tag) {
    const like = tag !== "SECTION" && where.querySelector(tag.toLowerCase());
    if (!like) where.tabIndex = -1;
    (like || where).focus({ preventScroll: true });
  }
  function refreshSoon() {
    if (waiting || over) return;
    waiting = setTimeout(refresh, Math.max(0, 700 - (Date.now() - asked)));
  }

  async function finish(state) {
    if (over) return;
    stop();
    const response = await fetch(location.href, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of page.querySelectorAll("[data-live-part]")) {
      const next = fresh.getElementById(part.id);
      if (!next) continue;
      const held = part.contains(document.activeElement) && document.activeElement.tagName;
      part.replaceWith(document.adoptNode(next));
      if (held) stay(next, held);
    }
    const balance = fresh.getElementById("balance");
    if (balance) document.getElementById("balance").textContent = balance.textContent;
    page.dataset.state = state;
    if (state === "failed") document.getElementById("alarm").textContent = document.getElementById("alarm").dataset.failed;
    else say(announcer.dataset[state]);
    page.dispatchEvent(new CustomEvent("job-over", { detail: { state, fresh } }));
  }
  // Canceled in place: a new page would lose the place in the text and where one stood.
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("#job-status form");
    if (!form) return;
    event.preventDefault();
    form.querySelector("button").setAttribute("aria-disabled", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      if (!answer.ok) throw new Error(answer.status);
      await refresh();
    } catch { form.submit(); }
  });
  function stop() {
    over = true;
    clearInterval(polling);
    clearTimeout(waiting);
    if (source) source.close();
  }
  function poll() {
    if (!polling && !over) polling = setInterval(() => document.hidden || refresh(), 2000);
  }

  if (!window.EventSource) return poll();
  let errors = 0;
  source = new EventSource(`/live/?job=${page.dataset.job}`);
  source.addEventListener("job", (event) => {
    errors = 0;
    const told = JSON.parse(event.data);
    const bar = box.querySelector("progress");
    if (bar && told.percent >= bar.value) bar.value = told.percent;
    const percent = box.querySelector("[data-percent-text]");
    if (percent) percent.textContent = `${told.percent} %`;
    refreshSoon();
  });
  source.addEventListener("open", () => { errors = 0; refreshSoon(); });
  source.addEventListener("error", () => {
    errors += 1;
    if (source.readyState === EventSource.CLOSED || errors >= 3) { source.close(); poll(); }
  });
  // A net under the net: a proxy that swallows events must not freeze the page.
  setInterval(() => { if (!over && Date.now() - asked > 10000) refresh(); }, 5000);
  announce(page.dataset.state, 0);
})();
