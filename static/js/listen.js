/* One sound at a time from any link marked data-listen: previews, samples, History rows. */
"use strict";
(() => {
  const audio = new Audio();
  audio.preload = "none";
  let now = null;

  const show = (link, playing) => link && link.setAttribute("aria-pressed", String(playing));

  function stop() {
    show(now, false);
    audio.pause();
    now = null;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-listen]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link === now) return stop();
    stop();
    now = link;
    show(link, true);
    audio.src = link.href;
    audio.play().catch(() => { if (now === link) stop(); });
  });
  audio.addEventListener("ended", stop);
  audio.addEventListener("error", () => now && stop());
  for (const link of document.querySelectorAll("a[data-listen]")) link.setAttribute("role", "button");
  document.addEventListener("htmx:afterSwap", () => {
    if (now && !now.isConnected) stop();
    for (const link of document.querySelectorAll("a[data-listen]")) link.setAttribute("role", "button");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.matches && event.target.matches("a[data-listen]")) {
      event.preventDefault();
      event.target.click();
    }
  });
})();
