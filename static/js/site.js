/* What every page does: menus, the shortcut list, focus on errors, forms sent once. */
"use strict";
document.documentElement.classList.add("has-js");

const site = {
  shortcutsOn: document.documentElement.dataset.shortcuts !== "off",
  isTyping(event) {
    const target = event.target;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  },
  clock(seconds) {
    const whole = Math.max(0, Math.round(seconds || 0));
    const two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
    return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  },
  credits(millicredits) {
    const [whole, part] = (Math.abs(millicredits) / 1000).toFixed(3).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    const rest = part.replace(/0+$/, "");
    return (millicredits < 0 ? "-" : "") + grouped + (rest ? "." + rest : "");
  },
};
window.site = site;

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const opener = event.target.closest("[data-open-shortcuts]");
  const dialog = document.getElementById("shortcuts");
  if (opener && dialog && dialog.showModal) {
    event.preventDefault();
    dialog.showModal();
  }
  if (event.target === dialog) dialog.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (!site.shortcutsOn || site.isTyping(event)) return;
  if (event.key === "?") {
    const dialog = document.getElementById("shortcuts");
    if (dialog && !dialog.open) dialog.showModal();
  }
  const search = document.querySelector("[data-search]");
  if (event.key === "/" && search) {
    event.preventDefault();
    search.focus();
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form) form.requestSubmit();
});

// What is wrong inside a closed panel can neither be seen nor focused.
function unfold(element) {
  for (let panel = element.closest("details"); panel; panel = panel.parentElement.closest("details")) panel.open = true;
}
document.addEventListener("invalid", (event) => unfold(event.target), true);

document.addEventListener("DOMContentLoaded", () => {
  for (const wrong of document.querySelectorAll("details [aria-invalid=true]")) unfold(wrong);
  const summary = document.querySelector("[data-focus]");
  if (summary) summary.focus();
});
