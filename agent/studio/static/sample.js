// The page of one sample: keys, and the page as it is once an order was carried out.
"use strict";
(() => {
  const follow = (way) => document.querySelector(`a[rel="${way}"]`)?.click();

  const open = (way) => {
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
    if (isTyping(event.target) || keys()?.open || !Object.hasOwn(acts, event.key)) return;
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
    if (document.querySelector("[data-carried-out]")) location.reload();
  });
})();
