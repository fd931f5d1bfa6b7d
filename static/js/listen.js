/* One sound at a time from any link marked data-listen: previews, samples, History rows.
   A form marked data-listen-form is heard the same way: its fields make the address. */
"use strict";
(() => {
  const audio = new Audio();
  audio.preload = "none";
  let now = null;

  function show(from, state) {
    if (!from) return;
    from.classList.toggle("is-loading", state === "loading");
    from.toggleAttribute("data-playing", state !== "");
    if (from.matches("a")) from.setAttribute("aria-pressed", String(state !== ""));
    const status = from.querySelector("[data-listen-status]");
    if (status) status.textContent = state === "loading" ? status.dataset.saysWorking : status.dataset.saysIdle;
  }

  function stop() {
    show(now, "");
    audio.pause();
    now = null;
  }

  function fail() {
    const status = now && now.querySelector("[data-listen-status]");
    stop();
    if (status) status.textContent = status.dataset.saysFailed;
  }

  function play(from, address) {
    if (from === now) return stop();
    stop();
    now = from;
    show(from, "loading");
    audio.src = address;
    audio.play().catch(() => { if (now === from) fail(); });
  }

  const buttons = () => {
    for (const link of document.querySelectorAll("a[data-listen]")) link.setAttribute("role", "button");
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-listen]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    play(link, link.href);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-listen-form]");
    if (!form) return;
    event.preventDefault();
    play(form, `${form.action}?${new URLSearchParams(new FormData(form))}`);
  });
  audio.addEventListener("playing", () => show(now, "playing"));
  audio.addEventListener("ended", stop);
  audio.addEventListener("error", () => now && fail());
  buttons();
  document.addEventListener("htmx:afterSwap", () => {
    if (now && !now.isConnected) stop();
    buttons();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.matches && event.target.matches("a[data-listen]")) {
      event.preventDefault();
      event.target.click();
    }
  });
})();
