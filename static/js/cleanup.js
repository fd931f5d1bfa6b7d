/* Cleaning: drop a recording, upload it with a progress bar, show the price that the server found. */
"use strict";
(() => {
  function start() {
    const form = document.getElementById("cleanup");
    if (!form) return;
    const find = (selector) => form.querySelector(selector);
    const says = form.dataset;
    const input = document.getElementById("id_file");
    const button = document.getElementById("clean");
    const problem = document.getElementById("file-problem");
    // Measured by the server: what a browser guesses of a file is not what is paid for.
    const milliseconds = Number(says.length) || 0;
    let preview = "";

    for (const leftover of form.querySelectorAll("button.no-js")) leftover.remove();

    /* --- price ----------------------------------------------------------------------- */
    const chosen = () => find("[name=model]:checked") || find("[name=model]");
    function quote() {
      const model = chosen();
      if (!model || !milliseconds) return null;
      const { unit, rate, minimum } = model.dataset;
      const amount = unit === "second" ? Math.ceil(Math.round(milliseconds) / 1000) : 1;
      return Math.max(amount * Number(rate), Number(minimum));
    }
    function reprice() {
      const cost = quote();
      const left = document.getElementById("left");
      const missing = cost === null ? 0 : cost - Number(says.available);
      document.getElementById("cost").textContent = cost === null ? "–" : site.credits(cost);
      const shown = document.getElementById("shown");
      if (shown && cost !== null) shown.value = cost;
      const problem = cost && "restricted" in chosen().dataset ? left.dataset.restricted
        : missing > 0 ? left.dataset.short.replace("{missing}", site.credits(missing)) : "";
      left.classList.toggle("short", Boolean(problem));
      left.textContent = problem || site.credits(Number(says.available) - (cost || 0));
      const offer = find("[data-offer]");
      if (offer) offer.hidden = !problem;
    }
    form.addEventListener("change", (event) => { if (event.target.name === "model") reprice(); });

    /* --- the file -------------------------------------------------------------------- */
    function complain(words) {
      problem.textContent = words;
      problem.hidden = !words;
    }
    if (input) {
      button.value = "price";
      find("[data-words]").textContent = says.saysPrice;
    }
    function lengthOf(url) {
      return new Promise((resolve) => {
        const sound = find("[data-preview]");
        sound.onloadedmetadata = () => resolve(Number.isFinite(sound.duration) ? sound.duration * 1000 : 0);
        sound.onerror = () => resolve(0);
        sound.src = url;
      });
    }
    const drop = find("[data-drop]");
    async function choose() {
      const file = input.files[0];
      URL.revokeObjectURL(preview);
      complain("");
      document.getElementById("error-summary")?.remove();
      document.getElementById("id_file_error")?.remove();
      drop.classList.remove("has-error");
      input.removeAttribute("aria-invalid");
      drop.hidden = Boolean(file);
      find("[data-chosen]").hidden = !file;
      if (!file) return;
      find("[data-name]").textContent = file.name;
      const size = `${(file.size / 1048576).toFixed(1)} MB`;
      find("[data-facts]").textContent = size;
      if (file.size > Number(says.largest)) complain(says.saysLarge);
      preview = URL.createObjectURL(file);
      const found = await lengthOf(preview);
      if (file !== input.files[0]) return;
      find("[data-preview]").hidden = !found;
      if (found) find("[data-facts]").textContent = `${site.clock(found / 1000)} · ${size}`;
      if (found > Number(says.longest)) complain(says.saysLong);
    }
    async function take() {
      under?.abort(); // another recording is on its way
      await choose();
      if (input.files[0] && problem.hidden) send();
    }
    if (input) input.addEventListener("change", take);
    if (drop) {
      find("[data-another]").addEventListener("click", () => input.click());
      drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
      drop.addEventListener("dragleave", () => drop.classList.remove("over"));
      drop.addEventListener("drop", (event) => {
        event.preventDefault();
        drop.classList.remove("over");
        if (!event.dataTransfer.files.length) return;
        input.files = event.dataTransfer.files;
        take();
      });
    }

    /* --- sending --------------------------------------------------------------------- */
    const bar = find("[data-sending]");
    let sent = false;
    let under = null;
    function busy(is) {
      sent = is;
      bar.hidden = !is || !input;
      button.toggleAttribute("aria-disabled", is);
      if (is) button.setAttribute("aria-disabled", "true");
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (problem.hidden) send();
    });
    function send() {
      if (sent) return;
      const told = new FormData(form);
      told.set("do", button.value);
      busy(true);
      const request = under = new XMLHttpRequest();
      request.open("POST", form.action);
      request.upload.addEventListener("progress", (moved) => {
        const percent = Math.floor((moved.loaded / moved.total) * 100);
        bar.querySelector("progress").value = percent;
        const said = percent < 100 ? says.saysSending.replace("{percent}", percent) : says.saysChecking;
        bar.querySelector("[data-sent]").textContent = said;
      });
      request.addEventListener("load", () => answered(request));
      request.addEventListener("abort", () => busy(false));
      request.addEventListener("error", () => { busy(false); complain(says.saysBroken); });
      request.send(told);
    }
    function answered(request) {
      const here = new URL(form.action);
      const there = new URL(request.responseURL || form.action);
      if (request.status === 200 && there.href !== here.href) return location.assign(there);
      const fresh = new DOMParser().parseFromString(request.responseText, "text/html");
      const main = fresh.getElementById("main");
      if (!fresh.getElementById("cleanup")) { busy(false); return complain(says.saysBroken); }
      document.getElementById("main").replaceWith(document.adoptNode(main));
      start();
      document.querySelector("[data-focus]")?.focus();
    }
    addEventListener("pageshow", () => busy(false));
    // What the browser brings back is not sent again unasked.
    if (input && input.files.length) choose();
    reprice();
  }
  start();
})();
