/* The Studio: counts and prices as one types, keeps a draft, reads files, sends once. */
"use strict";
(() => {
  const form = document.getElementById("studio");
  if (!form) return;
  const text = document.getElementById("id_text");
  const byId = (id) => document.getElementById(id);
  const available = Number(form.dataset.available);
  const limit = Number(form.dataset.max);
  const draftKey = `speechsite:draft:${form.dataset.draft}`;
  // The same that the server leaves out before it counts: control characters, and what draws nothing.
  const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
  const INVISIBLE = /[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\u{e0001}\u{e0020}-\u{e007f}\u{e0100}-\u{e01ef}]/gu;
  const CHINESE = /[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[\ud840-\ud8bf][\udc00-\udfff]/g;

  function countOf(value, counting) {
    // A textarea's value has LF line ends already; a surrogate pair is one character.
    let plain = value.replace(/\r\n?|\u0085/g, "\n");
    for (const gone of [CONTROLS, INVISIBLE]) {
      if (gone.test(plain)) plain = plain.replace(gone, "");
      gone.lastIndex = 0;
    }
    let units = plain.length;
    for (let i = plain.length - 1; i > 0; i--) {
      const low = plain.charCodeAt(i);
      if (low < 0xdc00 || low > 0xdfff) continue;
      const high = plain.charCodeAt(i - 1);
      if (high >= 0xd800 && high <= 0xdbff) { units--; i--; }
    }
    if (counting !== "cjk_double") return [units, units];
    let chinese = 0;
    CHINESE.lastIndex = 0;
    while (CHINESE.test(plain)) chinese++;
    return [units, units + chinese];
  }

  // As the server's: a letter or a number that is no emoji. What says nothing costs nothing.
  const SPEAKABLE = /(?![\u115f\u1160\u3164\uffa0\u2139])\p{L}|\p{N}(?!\ufe0f?\u20e3)/u;
  const NUMBER = "(\\p{Nd}{1,9}(?:\\.\\p{Nd}{0,9})?)\\s{0,8}";
  const PAUSE = new RegExp(
    `\\[\\s{0,8}pause\\s{0,8}[:=]\\s{0,8}${NUMBER}(ms|s)?\\s{0,8}\\]` +
    `|<\\s{0,8}break\\s{1,8}time\\s{0,8}=\\s{0,8}["']\\s{0,8}${NUMBER}(ms|s)?\\s{0,8}["']\\s{0,8}(?:/\\s{0,8}>|>)` +
    `|<#\\s{0,8}${NUMBER}#>`, "giu");
  const LONGEST_PAUSE = 60000;
  const LONGEST_PAUSES = 30 * LONGEST_PAUSE;

  function pausesOf(value) {
    if (!/[[<]/.test(value)) return 0;
    let sum = 0;
    for (const [, bracket, unit, tag, tagUnit, hash] of value.matchAll(PAUSE)) {
      const factor = (unit || tagUnit || "s").toLowerCase() === "ms" ? 1 : 1000;
      sum += Math.min(Number(bracket || tag || hash) * factor, LONGEST_PAUSE);
    }
    return sum;
  }

  function quote(units) {
    const { unit, rate: per, minimum } = byId("rate").dataset;
    const amount = unit === "request" ? 1 : units;
    return SPEAKABLE.test(text.value) ? Math.max(amount * Number(per), Number(minimum)) : 0;
  }

  // The line above Generate; templates/portal/_left.html has the server's and its words.
  function price(characters, units) {
    const rate = byId("rate");
    const { over, pauses, restricted, short } = byId("left").dataset;
    if (!rate) return { cost: null };
    if (characters > limit) {
      return { cost: null, problem: over.replace("{over}", (characters - limit).toLocaleString("en")) };
    }
    if (pausesOf(text.value) > LONGEST_PAUSES) return { cost: null, problem: pauses };
    const cost = quote(units);
    if (cost && "restricted" in rate.dataset) return { cost, problem: restricted };
    const missing = cost - available;
    return { cost, problem: missing > 0 ? short.replace("{missing}", site.credits(missing)) : "" };
  }

  function showPrice({ cost, problem }) {
    const left = byId("left");
    byId("cost").textContent = cost === null ? "–" : site.credits(cost);
    byId("shown").value = cost || 0;
    left.classList.toggle("short", Boolean(problem));
    left.textContent = problem || site.credits(available - (cost || 0));
    const offer = form.querySelector("[data-offer]");
    if (offer) offer.hidden = cost === null || !problem;
  }

  let lastBand = 0;
  function say(characters) {
    const region = byId("limit-status");
    const used = Math.floor((characters / limit) * 100);
    const band = characters > limit ? 101 : used >= 100 ? 100 : used >= 90 ? 90 : used >= 80 ? 80 : 0;
    if (band === lastBand) return;
    lastBand = band;
    region.textContent = band > 100 ? region.dataset.over : band ? region.dataset.near.replace("{percent}", band) : "";
  }

  function recount() {
    const rate = byId("rate");
    const [characters, units] = countOf(text.value, rate && rate.dataset.counting);
    byId("count").textContent = characters.toLocaleString("en");
    byId("text-count").classList.toggle("over", characters > limit);
    showPrice(price(characters, units));
    say(characters);
    compare();
  }

  /* --- language: a built-in voice spells out letters that it does not know --------------- */
  const SCRIPTS = [
    // What to offer, how its letters are known, and whose voices can read them.
    ["ja", /[\p{Script=Hiragana}\p{Script=Katakana}]/gu, "ja", 0.1],
    ["zh", /\p{Script=Han}/gu, "zh yue hak ja", 0.4],
    ["ko", /\p{Script=Hangul}/gu, "ko", 0.4],
    ["ru", /\p{Script=Cyrillic}/gu, "ru uk be bg sr mk kk ky tt ba cv nog", 0.4],
    ["ar", /\p{Script=Arabic}/gu, "ar fa ur ug sd ku", 0.4],
    ["hi", /\p{Script=Devanagari}/gu, "hi mr ne kok", 0.4],
    ["th", /\p{Script=Thai}/gu, "th", 0.4],
    ["el", /\p{Script=Greek}/gu, "el grc", 0.4],
    ["he", /\p{Script=Hebrew}/gu, "he", 0.4],
  ];
  const languages = byId("voice-language");
  const hint = byId("language-hint");
  const optionOf = (code) => languages.querySelector(`option[value="${code}"]`);

  function unknownLanguage() {
    const voice = form.querySelector("input[name=voice]:checked");
    const spoken = voice && voice.dataset.speaks;
    const sample = text.value.slice(0, 2000);
    const letters = (sample.match(/\p{L}/gu) || []).length;
    if (!spoken || letters < 2) return null;
    const found = SCRIPTS.find(([, script, , share]) => (sample.match(script) || []).length >= letters * share);
    return found && !found[2].split(" ").includes(spoken.split("-")[0]) ? optionOf(found[0]) : null;
  }

  function compare() {
    const option = unknownLanguage();
    hint.hidden = !option;
    if (!option) return;
    const name = option.textContent.replace(/\s*\(\d+\)$/, "");
    const words = hint.querySelector("span");
    const said = words.dataset.words.replace("{language}", name);
    if (words.textContent !== said) words.textContent = said;
    const button = hint.querySelector("button");
    button.textContent = button.dataset.words.replace("{language}", name);
    button.value = option.value;
  }

  hint.querySelector("button").addEventListener("click", (event) => {
    byId("picker").open = true;
    languages.value = event.target.value;
    languages.dispatchEvent(new Event("change", { bubbles: true }));
    languages.focus();
  });

  // dir="auto" makes the browser reread a long text at every key: seconds for a million
  // characters. The first letter tells as much.
  const RIGHT_TO_LEFT = /^[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]$/;
  function turn() {
    const letter = (text.value.slice(0, 2000).match(/\p{L}/u) || [""])[0];
    const dir = RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
    if (text.dir !== dir) text.dir = dir;
  }

  let timer = 0;
  function later() {
    turn();
    clearTimeout(timer);
    // Short texts at once, long ones when the fingers rest.
    if (text.value.length < 20000) recount();
    else timer = setTimeout(recount, 150);
  }

  /* --- draft ------------------------------------------------------------------------- */
  const status = byId("draft-status");
  let draftTimer = 0;
  function keep() {
    const draft = { text: text.value, title: byId("id_title").value };
    try {
      if (draft.text || draft.title) localStorage.setItem(draftKey, JSON.stringify(draft));
      else localStorage.removeItem(draftKey);
      status.textContent = draft.text ? text.dataset.saved : "";
    } catch {
      status.textContent = text.dataset.unsaved;
    }
  }
  function keepSoon() {
    clearTimeout(draftTimer);
    draftTimer = setTimeout(keep, 900);
  }
  function restore() {
    if (text.value || byId("id_title").value) return;
    try {
      const draft = JSON.parse(localStorage.getItem(draftKey) || "null");
      if (!draft || !draft.text) return;
      text.value = draft.text;
      byId("id_title").value = draft.title || "";
      status.textContent = text.dataset.restored;
    } catch { /* an unreadable draft is no draft */ }
  }

  text.addEventListener("input", () => { later(); keepSoon(); });
  byId("id_title").addEventListener("input", keepSoon);
  addEventListener("pagehide", () => { if (draftTimer) keep(); });
  byId("clear-text").addEventListener("click", () => {
    text.focus();
    text.select();
    // Through the editor, so that Ctrl+Z brings it back.
    if (!document.execCommand("delete")) text.value = "";
    recount();
    keep();
  });

  /* --- file -------------------------------------------------------------------------- */
  const upload = byId("id_upload");
  const asking = byId("letters-place");
  let asked = null; // the file whose letters are in question
  upload.addEventListener("change", async () => {
    const file = upload.files[0];
    byId("upload-problem").hidden = true;
    asking.replaceChildren();
    if (!file) return;
    const answer = await opened(file);
    upload.value = "";
    take(file, answer);
  });
  asking.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-letters]");
    if (!button || !asked) return;
    event.preventDefault();
    const file = asked;
    const chosen = asking.querySelector("input[name=encoding]:checked");
    asked = null;
    asking.replaceChildren();
    if (button.dataset.letters === "use") take(file, await readByServer(file, chosen.value));
    else text.focus();
  });
  function take(file, answer) {
    byId("upload-note").textContent = answer.note || "";
    if (answer.asks) {
      asked = file;
      asking.innerHTML = answer.asks;
      asking.querySelector("input:checked").focus();
      asking.firstElementChild.scrollIntoView({ block: "nearest" });
      return;
    }
    if (answer.text === undefined) {
      byId("upload-problem").textContent = answer.problem;
      byId("upload-problem").hidden = false;
      return;
    }
    text.dir = "ltr";
    text.value = text.value.trim() ? `${text.value.trimEnd()}\n\n${answer.text}` : answer.text;
    if (!byId("id_title").value) byId("id_title").value = file.name.replace(/\.[^.]*$/, "").slice(0, 120);
    turn();
    recount();
    keep();
    text.focus();
  }
  async function opened(file) {
    if (file.size > limit * 4 + 4) return { problem: upload.dataset.bad };
    const bytes = new Uint8Array(await file.arrayBuffer());
    // UTF-8 is read here. Whatever else it may be, the server knows more about it; an
    // escape may be Japanese in seven bits, which is valid UTF-8 and reads as nonsense.
    if (!bytes.includes(0) && !bytes.includes(0x1b)) {
      try { return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) }; } catch { /* ask */ }
    }
    return readByServer(file, "");
  }
  async function readByServer(file, encoding) {
    const body = new FormData();
    body.set("upload", file);
    body.set("encoding", encoding);
    body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    try {
      const answer = await fetch(upload.dataset.url, { method: "POST", body });
      return await answer.json();
    } catch {
      return { problem: upload.dataset.lost };
    }
  }

  /* --- voice and settings -------------------------------------------------------------- */
  form.addEventListener("change", (event) => {
    if (event.target.name === "voice") {
      const now = byId("voice-now");
      const name = document.createElement("b");
      const about = document.createElement("span");
      name.textContent = event.target.dataset.now;
      name.dir = "auto";
      about.textContent = event.target.dataset.about;
      about.className = "muted";
      now.replaceChildren(name, about);
      document.body.dispatchEvent(new Event("voice-chosen"));
      compare();
    }
    if (event.target.matches("[data-reprice]")) document.body.dispatchEvent(new Event("voice-chosen"));
  });
  form.addEventListener("input", (event) => {
    const setting = event.target.closest("[data-setting]");
    if (!setting) return;
    for (const other of setting.querySelectorAll("input")) {
      if (other !== event.target) other.value = event.target.value;
    }
  });
  form.addEventListener("click", (event) => {
    const reset = event.target.closest("[data-reset]");
    if (!reset) return;
    const setting = reset.closest("[data-setting]");
    for (const control of setting.querySelectorAll("input, select")) control.value = setting.dataset.default;
  });
  document.addEventListener("htmx:afterSettle", recount);

  // Voice and settings go to the account, so that they are there on any device.
  let choiceTimer = 0;
  function rememberChoice() {
    clearTimeout(choiceTimer);
    choiceTimer = setTimeout(() => {
      const body = new FormData(form);
      for (const name of ["text", "title", "upload", "key"]) body.delete(name);
      fetch(form.dataset.choice, { method: "POST", body, keepalive: true }).catch(() => {});
    }, 600);
  }
  form.addEventListener("change", (event) => {
    if (event.target.closest("#options") || event.target.name === "voice") rememberChoice();
  });
  form.addEventListener("click", (event) => { if (event.target.closest("[data-reset]")) rememberChoice(); });

  /* --- sending ----------------------------------------------------------------------- */
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.contains(event.target)) {
      event.preventDefault();
      form.requestSubmit(byId("generate"));
    }
  });
  // Enter in the voice search narrows the list; it must not order anything.
  byId("voice-q").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.preventDefault();
  });
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    clearTimeout(timer);
    recount(); // what is sent as the shown price is this text's, however fast it was sent
    keep();
    try { sessionStorage.setItem("speechsite:sent", draftKey); } catch { /* private mode */ }
    byId("generate").setAttribute("aria-disabled", "true");
  });
  addEventListener("pageshow", () => {
    sent = false;
    byId("generate").removeAttribute("aria-disabled");
    try { sessionStorage.removeItem("speechsite:sent"); } catch { /* private mode */ }
    recount();
  });

  restore();
  turn();
  recount();
})();
