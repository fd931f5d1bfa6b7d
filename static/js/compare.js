/* Before and after of a cleaning: both run side by side, and one of them is heard. */
"use strict";
(() => {
  const page = document.getElementById("job");
  if (!page) return;
  const DRIFT = 0.08; // seconds that two players may lie apart before an ear notices
  const language = document.documentElement.lang || "en";
  let now = null; // the comparison on the page, if there is one

  function bind() {
    const root = document.getElementById("compare");
    const player = root && root.querySelector(".compare-player");
    if (!player) return null;
    const find = (selector) => root.querySelector(selector);
    const tracks = { before: find("[data-track=before]"), after: find("[data-track=after]") };
    const play = find("[data-do=play]");
    const seekBar = find(".player-seek");
    let heard = "after";
    let duration = Number(root.dataset.duration) / 1000;
    find("[data-tracks]").hidden = true;

    const lead = () => tracks[heard];
    const other = () => tracks[heard === "after" ? "before" : "after"];

    function together() {
      if (Math.abs(other().currentTime - lead().currentTime) > DRIFT) other().currentTime = lead().currentTime;
    }
    function hear(which) {
      together();
      heard = which;
      tracks.before.muted = which !== "before";
      tracks.after.muted = which !== "after";
      for (const button of root.querySelectorAll("[data-hear]")) {
        button.setAttribute("aria-pressed", String(button.dataset.hear === which));
      }
    }
    function toggle() {
      if (!lead().paused) {
        tracks.before.pause();
        tracks.after.pause();
        return together();
      }
      together();
      for (const track of Object.values(tracks)) track.play().catch(() => {});
    }
    function seek(seconds) {
      const to = Math.min(Math.max(0, seconds), Math.max(0, duration - 0.05));
      for (const track of Object.values(tracks)) track.currentTime = to;
      draw();
    }
    function spoken(seconds) {
      const unit = (n, name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" }).format(n);
      const rest = unit(Math.floor(seconds % 60), "second");
      return seconds < 60 ? rest : `${unit(Math.floor(seconds / 60), "minute")} ${rest}`;
    }
    function draw() {
      const at = lead().currentTime;
      find("[data-now]").textContent = site.clock(at);
      find("[data-all]").textContent = site.clock(duration);
      seekBar.value = Math.round(at * 1000);
      seekBar.setAttribute("aria-valuetext", root.dataset.saysTime.replace("{now}", spoken(at)).replace("{all}", spoken(duration)));
      const svg = find(".player-wave svg");
      if (svg && duration) find("#heard rect").setAttribute("width", (svg.viewBox.baseVal.width * at) / duration);
    }
    function show() {
      const playing = !lead().paused;
      play.setAttribute("aria-pressed", String(playing));
      play.setAttribute("aria-label", playing ? root.dataset.saysPause : root.dataset.saysPlay);
      draw();
    }

    for (const track of Object.values(tracks)) {
      track.addEventListener("play", show);
      track.addEventListener("pause", show);
      track.addEventListener("timeupdate", () => { if (track === lead()) draw(); });
      track.addEventListener("ended", () => { if (track === lead()) { other().pause(); show(); } });
    }
    tracks.after.addEventListener("loadedmetadata", () => {
      if (Number.isFinite(tracks.after.duration)) duration = tracks.after.duration;
      draw();
    });
    play.addEventListener("click", toggle);
    seekBar.addEventListener("input", () => seek(Number(seekBar.value) / 1000));
    for (const button of root.querySelectorAll("[data-hear]")) {
      button.addEventListener("click", () => hear(button.dataset.hear));
    }
    hear("after");
    draw();
    return { toggle, forward: () => seek(lead().currentTime + 10), back: () => seek(lead().currentTime - 10) };
  }

  const keys = { " ": "toggle", k: "toggle", j: "back", l: "forward" };
  document.addEventListener("keydown", (event) => {
    const isRange = event.target.matches && event.target.matches(".player-seek");
    if (!now || !site.shortcutsOn || (site.isTyping(event) && !isRange) || document.querySelector("dialog[open]")) return;
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    const action = now[keys[event.key.toLowerCase()]];
    if (!action) return;
    event.preventDefault();
    action();
  });
  page.addEventListener("job-over", () => { now = bind(); });
  now = bind();
})();
