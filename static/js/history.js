/* History: tick all, count the ticked. */
"use strict";
(() => {
  function count() {
    const form = document.querySelector("form[data-selection]");
    if (!form) return;
    const ticks = [...form.querySelectorAll("input[name=ids]")];
    const ticked = ticks.filter((tick) => tick.checked).length;
    const all = form.querySelector("[data-select-all]");
    all.checked = ticked > 0 && ticked === ticks.length;
    all.indeterminate = ticked > 0 && ticked < ticks.length;
    const said = form.querySelector("[data-selected-count]");
    said.textContent = ticked === 1 ? said.dataset.one : ticked ? said.dataset.many.replace("{n}", ticked) : "";
    for (const button of form.querySelectorAll(".selection-actions button")) button.disabled = !ticked;
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const tick of event.target.form.querySelectorAll("input[name=ids]")) tick.checked = event.target.checked;
    }
    count();
  });
  document.addEventListener("htmx:afterSettle", count);
  addEventListener("pageshow", count);
})();
