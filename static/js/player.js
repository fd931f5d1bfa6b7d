/* The player of a job: plays finished parts as a playlist while work goes on, then the
   joined file; lights the spoken word; seeks by click, drag and key. No MediaSource. */
"use strict";
(() => {
  const page = document.getElementById("job");
  const root = document.getElementById("player");
  if (!page || !root) return;
  const audio = root.querySelector("audio");
  const find = (selector) => root.querySelector(selector);
  const playButton = find("[data-do=play]");
  const seekBar = find(".player-seek");
  const note = find("[data-note]");
  const transcript = document.getElementById("transcript");
  const placeKey = `speechsite:at:${page.dataset.job}`;
  const language = document.documentElement.lang || "en";
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  let mode = root.dataset.mode; // "parts" or "whole"
  let lengths = [];             // milliseconds of each part that can be played
  let starts = [];
  let part = -1;
  let starved = false;          // played everything there is; the next part is still being made
  let whole = null;             // the finished player, waiting for a good moment
  let duration = Number(root.dataset.duration) / 1000;
  let came = 0;                 // seconds heard before the page was loaded again, until gone there

  audio.controls = false;
  audio.hidden = true;

  const stored = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* private mode */ } },
  };

  /* --- time -------------------------------------------------------------------------- */
  const base = () => (mode === "parts" && part >= 0 ? starts[part] / 1000 : 0);
  const now = () => base() + (audio.currentTime || 0);

  function partUrl(pattern, index) {
    return pattern.replace("/segments/0/", `/segments/${index}/`);
  }
  function partAt(seconds) {
    let found = 0;
    for (let i = 0; i < lengths.length; i++) {
      if (lengths[i] && starts[i] <= seconds * 1000) found = i;
    }
    return found;
  }
  function nextPlayable(from) {
    for (let i = from; i < lengths.length; i++) if (lengths[i]) return i;
    return -1;
  }

  function setLengths(list) {
    lengths = list;
    let at = 0;
    starts = list.map((length) => { const start = at; at += length; return start; });
    if (mode !== "parts") return;
    duration = at / 1000;
    const playable = nextPlayable(0) >= 0;
    root.hidden = !playable && page.dataset.state !== "queued" && page.dataset.state !== "processing";
    playButton.disabled = seekBar.disabled = !playable;
    if (playable && part < 0) note.textContent = root.dataset.saysReady;
    if (playable) goOn();
    if (starved) {
      const next = nextPlayable(part + 1);
      if (next >= 0) { starved = false; loadPart(next, 0, true); }
    }
    draw();
  }

  function loadPart(index, at, playing) {
    part = index;
    begin(partUrl(root.dataset.partAudio, index), at, playing);
    fetchText(index);
  }
  function begin(url, at, playing) {
    const rate = audio.playbackRate;
    audio.src = url;
    audio.defaultPlaybackRate = audio.playbackRate = rate;
    if (at) audio.addEventListener("loadedmetadata", () => { audio.currentTime = at; }, { once: true });
    if (playing) audio.play().catch(() => {});
  }

  /* As far as it was heard before a reload, as soon as that much is there again. */
  function goOn() {
    if (mode !== "parts" || part >= 0 || !came || came > duration) return;
    const index = partAt(came);
    loadPart(index, came - starts[index] / 1000, false);
    came = 0;
  }

  function play() {
    if (mode === "parts" && part < 0) {
      came = 0;
      const first = nextPlayable(0);
      if (first >= 0) loadPart(first, 0, true);
      return;
    }
    audio.play().catch(() => {});
  }
  function toggle() {
    if (starved) { starved = false; show(); return; }
    if (audio.paused) play();
    else audio.pause();
  }
  function seek(seconds, playing = !audio.paused) {
    const to = Math.min(Math.max(0, seconds), Math.max(0, duration - 0.05));
    if (whole) return become(whole, to, playing);
    if (mode === "whole") {
      audio.currentTime = to;
      if (playing && audio.paused) play();
    } else {
      const index = partAt(to);
      if (!lengths[index]) return;
      if (index === part) {
        audio.currentTime = to - base();
        if (playing && audio.paused) play();
      } else loadPart(index, to - starts[index] / 1000, playing);
    }
    draw();
  }

  /* --- the joined file takes over ------------------------------------------------------ */
  function become(fresh, at, playing) {
    whole = null;
    starved = false;
    mode = "whole";
    duration = Number(fresh.dataset.duration) / 1000;
    const wave = fresh.querySelector(".player-wave svg");
    if (wave) find(".player-wave").prepend(document.adoptNode(wave));
    note.textContent = "";
    playButton.disabled = seekBar.disabled = false;
    root.hidden = false;
    begin(fresh.querySelector("audio").getAttribute("src"), at, playing);
    draw();
  }
  page.addEventListener("job-moved", (event) => setLengths(event.detail.lengths));
  page.addEventListener("job-over", (event) => {
    const { state, fresh } = event.detail;
    const text = fresh.getElementById("transcript");
    if (text) {
      const top = transcript.scrollTop;
      transcript.replaceChildren(...document.adoptNode(text).childNodes);
      if (window.htmx) htmx.process(transcript);
      transcript.scrollTop = top;
      index();
      enter();
    }
    if (!fresh.querySelector("#player audio[src]")) { root.hidden = nextPlayable(0) < 0; starved = false; note.textContent = ""; return show(); }
    const finished = fresh.getElementById("player");
    if (audio.paused) become(finished, part < 0 ? came : now(), starved);
    else whole = finished;
  });

  audio.addEventListener("ended", () => {
    if (whole) return become(whole, base() + (lengths[part] || 0) / 1000, true);
    if (mode === "whole") { stored.set(placeKey, "0"); return show(); }
    const next = nextPlayable(part + 1);
    if (next >= 0) return loadPart(next, 0, true);
    starved = ["queued", "processing"].includes(page.dataset.state);
    show();
  });
  audio.addEventListener("pause", () => {
    if (whole && !audio.ended) become(whole, now(), false);
    remember();
    show();
  });
  audio.addEventListener("error", () => {
    if (mode !== "parts" || part < 0) return;
    const next = nextPlayable(part + 1);
    if (next >= 0) loadPart(next, 0, true);
  });

  /* --- what it shows ------------------------------------------------------------------- */
  function spoken(seconds) {
    const unit = (n, name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" }).format(n);
    const minutes = Math.floor(seconds / 60);
    const rest = unit(Math.floor(seconds % 60), "second");
    return minutes ? `${unit(minutes, "minute")} ${rest}` : rest;
  }
  function show() {
    const playing = !audio.paused || starved;
    playButton.setAttribute("aria-pressed", String(playing));
    playButton.setAttribute("aria-label", playing ? root.dataset.saysPause : root.dataset.saysPlay);
    if (mode === "parts") note.textContent = starved ? root.dataset.saysStarved : part >= 0 ? root.dataset.saysParts : note.textContent;
    if (playing && !starved) requestAnimationFrame(frame);
  }
  function draw() {
    const at = now();
    find("[data-now]").textContent = site.clock(at);
    find("[data-all]").textContent = site.clock(duration);
    seekBar.max = Math.max(1, Math.round(duration * 1000));
    if (document.activeElement !== seekBar || !dragging) seekBar.value = Math.round(at * 1000);
    seekBar.setAttribute("aria-valuetext", root.dataset.saysTime.replace("{now}", spoken(at)).replace("{all}", spoken(duration)));
    const heard = find("#heard rect");
    const svg = find(".player-wave svg");
    if (heard && duration) heard.setAttribute("width", (svg.viewBox.baseVal.width * at) / duration);
    light(at * 1000);
  }
  let drawn = 0;
  function frame(time) {
    if (audio.paused) return draw();
    if (time - drawn > 60) { drawn = time; draw(); }
    requestAnimationFrame(frame);
  }
  audio.addEventListener("play", show);
  audio.addEventListener("seeked", draw);
  audio.addEventListener("loadedmetadata", () => {
    if (mode === "whole" && Number.isFinite(audio.duration)) duration = audio.duration;
    draw();
  });

  /* --- read along ---------------------------------------------------------------------- */
  let parts = [];
  let lit = null;
  const words = new WeakMap();

  function index() {
    parts = [...transcript.querySelectorAll("[data-part]")].map((element) => ({
      element, start: Number(element.dataset.start), length: Number(element.dataset.length),
    }));
  }
  function wordsOf(element) {
    if (!words.has(element)) {
      const spans = [...element.querySelectorAll(".word")];
      words.set(element, { spans, times: spans.map((span) => Number(span.dataset.s)) });
    }
    return words.get(element);
  }
  const fetching = new Set();
  async function fetchText(number) {
    const old = transcript.querySelector(`[data-part="${number}"]`);
    if (!old || old.querySelector(".word") || fetching.has(number)) return;
    fetching.add(number);
    const response = await fetch(partUrl(transcript.dataset.partUrl, number), { headers: { "X-Fragment": "1" } });
    if (response.ok) {
      const holder = document.createElement("template");
      holder.innerHTML = (await response.text()).trim();
      old.replaceWith(holder.content);
      index();
    }
    setTimeout(() => fetching.delete(number), 3000);
  }
  function last(list, value, key) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (key(list[middle]) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  function place(at) {
    if (mode === "parts") {
      if (part < 0) return null;
      const element = transcript.querySelector(`[data-part="${part}"]`);
      return element && { element, start: starts[part] };
    }
    let found = last(parts, at, (one) => one.start);
    while (found > 0 && !parts[found].length) found--;
    return parts[found] || null;
  }
  function light(at) {
    const here = place(at);
    if (!here || (audio.paused && !at)) return;
    if (here.element.classList.contains("part-waiting")) fetchText(Number(here.element.dataset.part));
    const { spans, times } = wordsOf(here.element);
    const word = spans[last(times, at - here.start, (time) => time)] || null;
    if (word === lit) return;
    if (lit) lit.classList.remove("lit");
    lit = word;
    if (!word) return;
    word.classList.add("lit");
    if (!transcript.contains(document.activeElement)) standOn(word, false);
    follow(word);
  }
  let wandered = 0;
  transcript.addEventListener("wheel", () => { wandered = Date.now(); }, { passive: true });
  transcript.addEventListener("touchmove", () => { wandered = Date.now(); }, { passive: true });
  function follow(word) {
    if (audio.paused || Date.now() - wandered < 4000) return;
    const box = transcript.getBoundingClientRect();
    const at = word.getBoundingClientRect();
    if (at.top >= box.top + 20 && at.bottom <= Math.min(box.bottom, innerHeight) - 40) return;
    transcript.scrollTo({ top: transcript.scrollTop + at.top - box.top - box.height / 3, behavior: calm.matches ? "auto" : "smooth" });
  }
  function timeOf(word) {
    const element = word.closest("[data-part]");
    const offset = mode === "parts" ? starts[Number(element.dataset.part)] : Number(element.dataset.start);
    return offset === undefined ? null : (offset + Number(word.dataset.s)) / 1000;
  }
  function listenFrom(word) {
    const at = timeOf(word);
    if (at !== null) seek(at, true);
  }
  transcript.addEventListener("click", (event) => {
    const word = event.target.closest(".word");
    if (word && String(getSelection()) === "") listenFrom(word);
  });

  /* One tab stop for the whole text; arrows move from word to word, Enter listens. Until
     there is a word the box itself is the stop, so that it can be scrolled. */
  let stop = null;
  function standOn(word, focus) {
    if (!word) return;
    if (stop) for (const name of ["tabindex", "role"]) stop.removeAttribute(name);
    stop = word;
    word.tabIndex = 0;
    word.setAttribute("role", "button");
    transcript.tabIndex = -1;
    if (focus) word.focus();
  }
  function enter() {
    if (!stop || !stop.isConnected) standOn(lit || transcript.querySelector(".word"), false);
  }
  transcript.addEventListener("keydown", (event) => {
    if (!event.target.matches(".word")) return;
    const all = [...transcript.querySelectorAll(".word")];
    const at = all.indexOf(event.target);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
    if (step) {
      event.preventDefault();
      standOn(all[Math.min(all.length - 1, Math.max(0, at + step))], true);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      listenFrom(event.target);
    }
  });

  /* --- sentences ----------------------------------------------------------------------- */
  const END = /[.!?…。！？][\s"'”’»)\]」』]*$/;
  function sentenceStarts(element) {
    const { spans } = wordsOf(element);
    return spans.filter((span, i) => {
      if (!i) return true;
      const before = span.previousSibling && span.previousSibling.nodeType === 3 ? span.previousSibling.data : "";
      return END.test(spans[i - 1].textContent + before) || before.includes("\n");
    });
  }
  function sentence(step) {
    const at = now();
    const here = place(at * 1000);
    if (!here) return;
    const times = sentenceStarts(here.element).map((word) => timeOf(word));
    if (step > 0) {
      const next = times.find((time) => time > at + 0.05);
      return seek(next === undefined ? (here.start + (here.length || lengths[part] || 0)) / 1000 + 0.01 : next);
    }
    const before = times.filter((time) => time < at - 1.2);
    seek(before.length ? before[before.length - 1] : here.start / 1000 - 2);
  }

  /* --- hands --------------------------------------------------------------------------- */
  let dragging = false;
  seekBar.addEventListener("pointerdown", () => { dragging = true; });
  seekBar.addEventListener("change", () => { dragging = false; seek(Number(seekBar.value) / 1000); });
  seekBar.addEventListener("input", () => { if (!dragging) seek(Number(seekBar.value) / 1000); });
  seekBar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 5, ArrowUp: 5, ArrowLeft: -5, ArrowDown: -5, PageUp: 30, PageDown: -30 }[event.key];
    if (!step) return;
    event.preventDefault();
    seek(now() + step);
  });
  const actions = { play: toggle, back: () => seek(now() - 10), forward: () => seek(now() + 10) };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) actions[button.dataset.do]();
  });
  const speed = find("[data-speed]");
  speed.value = stored.get("speechsite:speed") || "1";
  if (!speed.value) speed.value = "1";
  function setSpeed() {
    audio.defaultPlaybackRate = audio.playbackRate = Number(speed.value);
    stored.set("speechsite:speed", speed.value);
  }
  speed.addEventListener("change", setSpeed);
  setSpeed();

  const keys = {
    " ": toggle, k: toggle, j: actions.back, l: actions.forward,
    ",": () => sentence(-1), ".": () => sentence(1),
  };
  document.addEventListener("keydown", (event) => {
    const isOurRange = event.target === seekBar;
    if (!site.shortcutsOn || (site.isTyping(event) && !isOurRange) || document.querySelector("dialog[open]")) return;
    if (event.key === " " && event.target.closest("button, a, summary, [role=button]")) return;
    const action = keys[event.key.toLowerCase()];
    if (!action || playButton.disabled || root.hidden) return;
    event.preventDefault();
    action();
  });

  /* --- where one was, and the lock screen ------------------------------------------------ */
  function remember() {
    if (mode === "whole" ? !audio.ended : part >= 0) stored.set(placeKey, String(now()));
  }
  setInterval(() => { if (!audio.paused) remember(); }, 3000);
  addEventListener("pagehide", remember);
  const was = Number(stored.get(placeKey));
  if (mode === "parts" && was > 1) came = was;
  if (mode === "whole" && was > 3 && was < duration - 3) {
    const resume = () => { audio.currentTime = was; };
    if (audio.readyState > 0) resume();
    else audio.addEventListener("loadedmetadata", resume, { once: true });
  }
  if ("mediaSession" in navigator && window.MediaMetadata) {
    navigator.mediaSession.metadata = new MediaMetadata({ title: root.dataset.title, artist: root.dataset.voice });
    const on = (name, act) => { try { navigator.mediaSession.setActionHandler(name, act); } catch { /* unknown there */ } };
    on("play", play);
    on("pause", () => audio.pause());
    on("seekbackward", actions.back);
    on("seekforward", actions.forward);
    on("seekto", (told) => seek(told.seekTime));
    on("previoustrack", () => sentence(-1));
    on("nexttrack", () => sentence(1));
  }

  document.addEventListener("htmx:afterSwap", () => { index(); enter(); });
  index();
  enter();
  const first = document.querySelector("#job-status .status");
  if (mode === "parts" && first) setLengths(lengthsOf(first));
  draw();
  show();

  function lengthsOf(status) {
    return status.dataset.lengths ? status.dataset.lengths.split(",").map(Number) : [];
  }
})();
