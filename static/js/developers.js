/* Developers: copy, fill the test key into the examples, send a request and show the answer. */
"use strict";
(() => {
  const STORE = "speechsite-test-key";
  const TEST_KEY = /^sps_test_[0-9a-z]{8}[\w-]{43}$/;
  const byId = (id) => document.getElementById(id);
  const field = byId("test-key");

  function remembered() {
    try { return sessionStorage.getItem(STORE) || ""; } catch { return ""; }
  }
  function remember(key) {
    try {
      if (key) sessionStorage.setItem(STORE, key);
      else sessionStorage.removeItem(STORE);
    } catch { /* A browser without storage asks again on the next page. */ }
  }

  /* A button says for a moment that it copied; where that is forbidden it selects. */
  async function copy(button) {
    const source = byId(button.dataset.copy);
    const said = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      if (!document.execCommand("copy")) return;
    }
    const before = (said.dataset.before ||= said.textContent);
    said.textContent = button.dataset.copied;
    setTimeout(() => { said.textContent = before; }, 1600);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });

  const programs = [...document.querySelectorAll("code[data-placeholder]")];
  for (const program of programs) program.dataset.code = program.textContent;

  function useKey(key) {
    for (const program of programs) {
      const { code, placeholder } = program.dataset;
      program.textContent = key ? code.replaceAll(placeholder, key) : code;
    }
    const shown = byId("attempt-key");
    if (shown) shown.textContent = key ? key.slice(0, 17) + "…" : "sps_test_…";
  }

  const made = document.querySelector("[data-test-key]");
  if (made) remember(made.textContent.trim());
  if (field) {
    const problem = byId("test-key-error");
    const look = () => {
      const typed = field.value.trim();
      const key = TEST_KEY.test(typed) ? typed : "";
      const wrong = typed && !key;
      problem.hidden = !wrong;
      problem.textContent = !wrong ? "" : typed.startsWith("sps_live_") ? problem.dataset.saysLive : problem.dataset.saysOther;
      field.setAttribute("aria-invalid", wrong ? "true" : "false");
      remember(key);
      useKey(key);
    };
    field.value = remembered();
    field.addEventListener("input", look);
    look();
  }

  const form = byId("attempt");
  if (!form) return;
  const preset = byId("attempt-preset"), method = byId("attempt-method"), path = byId("attempt-path");
  const body = byId("attempt-body"), answer = byId("answer"), note = byId("answer-note");
  const audio = byId("answer-audio");
  let header = "Authorization";

  function begin() {
    const chosen = preset.selectedOptions[0].dataset;
    header = chosen.header;
    method.value = chosen.method;
    path.value = chosen.path;
    body.value = chosen.body;
    byId("attempt-header").textContent = header === "Authorization" ? "Authorization: Bearer" : `${header}:`;
    hideBody();
  }
  function hideBody() {
    byId("attempt-body-field").hidden = method.value === "GET" || method.value === "DELETE";
  }
  function say(text) {
    note.textContent = text;
    note.hidden = !text;
  }
  /* Only this site may be called: the key must not leave it by a slip of the pen. */
  function address() {
    try {
      const url = new URL(path.value, location.origin);
      return path.value.startsWith("/") && url.origin === location.origin ? url : null;
    } catch { return null; }
  }

  /* --- work that is under way: asked after until it is over, and heard ------------------- */
  const TASKS = [
    {
      order: /^\/api\/v1\/generations(\/[\w-]+(\/retry)?)?$/,
      where: (said) => said.id && `/api/v1/generations/${said.id}`,
      state: (said) => said.status,
      sound: (said) => said.result && said.result.primary_url,
    },
    {
      order: /^\/api\/v1\/jobs\/(createTask|recordInfo)$/,
      where: (said) => said.data && said.data.taskId && `/api/v1/jobs/recordInfo?taskId=${encodeURIComponent(said.data.taskId)}`,
      state: (said) => said.data && said.data.state,
      sound: (said) => said.data && said.data.resultJson && JSON.parse(said.data.resultJson).resultUrls[0],
    },
  ];
  const OVER = ["succeeded", "failed", "canceled", "success", "fail"];
  const PAUSE = 1000; // milliseconds between two questions
  let turn = 0; // of the last request: what follows an earlier one ends
  let followed = null;

  function offer(url, headers, said) {
    const task = said && TASKS.find((one) => one.order.test(url.pathname));
    const where = task && task.where(said);
    followed = where ? { task, where, headers } : null;
    const isOver = !where || OVER.includes(task.state(said));
    byId("answer-following").hidden = isOver;
    if (where && isOver) hear(task, said);
  }
  function hear(task, said) {
    const link = task.sound(said);
    if (!link) return;
    // Files are on this site, whatever name it gives itself.
    const { pathname, search } = new URL(link, location.origin);
    audio.src = pathname + search;
    audio.hidden = false;
  }
  async function follow() {
    const { task, where, headers } = followed;
    const mine = ++turn;
    byId("answer-following").hidden = true;
    answer.focus({ preventScroll: true });
    for (;;) {
      let said;
      try {
        const response = await fetch(where, { headers, credentials: "omit", redirect: "error" });
        const text = await response.text();
        said = response.ok ? JSON.parse(text) : null;
        if (mine !== turn) return;
        if (!said) { byId("answer-body").textContent = text; return say(""); }
      } catch {
        if (mine === turn) say(answer.dataset.saysBroken);
        return;
      }
      byId("answer-body").textContent = JSON.stringify(said, null, 2);
      const state = task.state(said);
      if (OVER.includes(state)) {
        say(answer.dataset.saysDone.replace("{state}", state));
        return hear(task, said);
      }
      const asks = answer.dataset.saysFollowing.replace("{state}", state);
      if (note.textContent !== asks) say(asks);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      if (mine !== turn) return;
    }
  }
  byId("answer-follow").addEventListener("click", follow);

  async function send() {
    const url = address();
    if (!url) return say(answer.dataset.saysPath);
    const key = TEST_KEY.test(field.value.trim()) ? field.value.trim() : "";
    if (!key) {
      say(answer.dataset.saysKey);
      return field.focus();
    }
    const headers = { [header]: header === "Authorization" ? `Bearer ${key}` : key };
    const hasBody = !byId("attempt-body-field").hidden;
    if (hasBody) headers["Content-Type"] = "application/json";
    say(answer.dataset.saysSending);
    byId("attempt-send").disabled = true;
    const begun = performance.now();
    const mine = ++turn;
    byId("answer-following").hidden = true;
    try {
      const options = { method: method.value, headers, body: hasBody ? body.value : undefined };
      const response = await fetch(url, { ...options, credentials: "omit", redirect: "error" });
      const said = await show(response, await response.blob(), performance.now() - begun);
      const key = { [header]: headers[header] };
      if (mine === turn) offer(url, key, response.ok ? said : null);
    } catch {
      show();
      say(answer.dataset.saysBroken);
    } finally {
      byId("attempt-send").disabled = false;
    }
  }

  async function show(response, blob, milliseconds) {
    const status = byId("answer-status"), block = byId("answer-body"), heads = byId("answer-headers");
    const type = response ? response.headers.get("Content-Type") || "" : "";
    const isAudio = type.startsWith("audio/");
    if (audio.src) URL.revokeObjectURL(audio.src);
    audio.removeAttribute("src");
    for (const part of [status, heads]) part.hidden = !response;
    audio.hidden = !isAudio;
    block.parentElement.hidden = !response || isAudio;
    if (!response) return;
    status.firstElementChild.textContent = `${response.status} ${response.statusText}`.trim();
    status.firstElementChild.className = `badge ${response.ok ? "succeeded" : "failed"}`;
    status.lastElementChild.textContent = `${Math.round(milliseconds)} ms`;
    heads.querySelector("code").textContent = [...response.headers].map((pair) => pair.join(": ")).join("\n");
    if (isAudio) {
      audio.src = URL.createObjectURL(blob);
      return say(answer.dataset.saysBytes.replace("{n}", blob.size).replace("{type}", type));
    }
    say("");
    const text = await blob.text();
    try {
      const said = JSON.parse(text);
      block.textContent = JSON.stringify(said, null, 2);
      return said;
    } catch {
      block.textContent = text;
      return null;
    }
  }

  preset.addEventListener("change", begin);
  method.addEventListener("change", hideBody);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  begin();
})();
