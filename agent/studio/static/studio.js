// Every page: the word that orders must carry, and light or dark.
"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["system", "light", "dark"];
  const remembered = () => {
    try {
      return localStorage.getItem("ditto-theme") || "system";
    } catch {
      return "system"; // a browser that keeps nothing
    }
  };
  const show = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false; // without this script it would do nothing
    const next = themes[(themes.indexOf(theme) + 1) % themes.length];
    button.textContent = "Theme: " + theme;
    button.title = "Change to " + next;
  };
  show(remembered()); // before anything is drawn

  const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  window.studio = {
    csrf,
    /** As fetch, with the word that this studio asks of every order. */
    send: (address, options = {}) => {
      const headers = new Headers(options.headers);
      headers.set("X-CSRF-Token", csrf());
      return fetch(address, { method: "POST", credentials: "same-origin", ...options, headers });
    },
  };
  document.addEventListener("htmx:config:request", (event) => {
    event.detail.ctx.request.headers["X-CSRF-Token"] = csrf();
  });
  document.addEventListener("DOMContentLoaded", () => {
    show(remembered());
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = themes[(themes.indexOf(remembered()) + 1) % themes.length];
      try {
        localStorage.setItem("ditto-theme", next);
      } catch {
        // kept for this page only
      }
      show(next);
    });
  });
  document.addEventListener("click", (event) => {
    event.target.closest?.("[data-dismiss]")?.parentElement.remove();
  });
})();
