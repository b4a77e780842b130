// The page of one sample: keys, and the page as it is once an order was carried out.
"use strict";
(() => {
  // Who types on while the next sample loads must order nothing by it: neither of the sample that they leave, nor of
  // the next one by letters of a reason whose first key was lost.
  const STRAY_MS = 1000;
  let leaving = false;
  let strayAt = -STRAY_MS;
  window.addEventListener("pageshow", () => { leaving = false; });

  const follow = (way) => {
    const link = document.querySelector(`a[rel="${way}"]`);
    leaving = link !== null;
    link?.click();
  };

  const open = (way) => {
    if (leaving || performance.now() - strayAt < STRAY_MS) return;
    const details = document.querySelector(`[data-way="${way}"]`);
    if (!details) return;
    details.open = true;
    details.querySelector("input[name=note]").focus();
  };

  const leave = (details) => {
    details.open = false;
    details.querySelector("summary").focus();
  };

  const keys = () => document.getElementById("keys");
  const acts = {
    n: () => follow("next"),
    p: () => follow("prev"),
    a: () => open("accept"),
    r: () => open("reject"),
    "?": () => keys().showModal(),
  };

  const isTyping = (target) =>
    target.isContentEditable || target.matches("textarea, select, input:not([type=range], [type=radio], [type=checkbox])");

  document.addEventListener("keydown", (event) => {
    const within = event.target.closest("[data-way]");
    if (event.key === "Escape" && within) {
      leave(within);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (isTyping(event.target) || keys()?.open) return;
    if (/^\p{L}$/u.test(event.key) && !Object.hasOwn(acts, event.key)) strayAt = performance.now();
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("[data-way]") && event.target.open) event.target.querySelector("input[name=note]").focus();
  }, true);

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]")) keys().showModal();
  });

  document.addEventListener("htmx:after:swap", () => {
    const typed = [...document.querySelectorAll("input[name=note]")].some((note) => note.value);
    if (document.querySelector("[data-carried-out]") && !typed) location.reload();
  });
})();
