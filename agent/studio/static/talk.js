// Conversations: what a page of theirs does besides what htmx does.
"use strict";
(() => {
  const within = (target, selector) => target.closest?.(selector);

  // Enter sends, Shift-Enter begins a line; not while a letter is being composed.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !within(event.target, "[data-enter]")) return;
    event.preventDefault();
    if (event.target.value.trim() || !within(event.target, "[data-composer]")) event.target.form.requestSubmit();
  });

  // An example fills the box.
  document.addEventListener("click", (event) => {
    const example = within(event.target, "[data-fill]");
    if (!example) return;
    const box = document.getElementById("words");
    box.value = example.dataset.fill;
    box.focus();
  });

  // What begins a conversation is sent once.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-once]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-once]")) delete form.dataset.sent;
  });

  // The frame under the slider.
  const showFrame = (field, number) => {
    const slider = field.querySelector("input[type=range]");
    slider.value = number;
    const picture = field.querySelector("[data-shown]");
    picture.src = `${field.dataset.base}/${number}.jpg`;
    picture.alt = `Frame ${number}`;
    field.querySelector("[data-number]").textContent = `${number} of ${slider.max}`;
    for (const stop of field.querySelectorAll("[data-to]")) {
      if (stop.dataset.to === String(number)) stop.setAttribute("aria-current", "true");
      else stop.removeAttribute("aria-current");
    }
  };
  document.addEventListener("input", (event) => {
    const field = within(event.target, "[data-frame-choice]");
    if (field) showFrame(field, event.target.value);
  });
  document.addEventListener("click", (event) => {
    const stop = within(event.target, "[data-to]");
    if (stop) showFrame(stop.closest("[data-frame-choice]"), stop.dataset.to);
  });

  // The clock, from what the server said last.
  const clocks = new WeakMap();
  const tick = () => {
    const clock = document.querySelector(".clock[data-since]");
    if (!clock) return;
    const { since, expected } = clock.dataset;
    if (clocks.get(clock)?.since !== since) clocks.set(clock, { since, at: performance.now() });
    const seconds = Number(since) + (performance.now() - clocks.get(clock).at) / 1000;
    const about = expected ? ` of about ${Math.ceil(Number(expected))} s` : "";
    clock.querySelector("[data-clock]").textContent = `${Math.round(seconds)} s${about}`;
    const bar = clock.querySelector("progress");
    if (bar) bar.value = Math.min(seconds, bar.max);
  };
  setInterval(tick, 1000);

  // After what htmx brought in: the box is emptied once its words were taken, and the newest turn is in sight.
  const atEnd = () => window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 160;
  let turns = 0;
  let follows = true;
  const countTurns = () => document.querySelectorAll("#turns > article").length;
  document.addEventListener("htmx:before:swap", () => {
    follows = atEnd();
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const ctx = event.detail.ctx;
    const fresh = document.querySelector("#talk input[name=csrf]");
    if (fresh) document.querySelector('meta[name="csrf-token"]').content = fresh.value;
    const said = ctx?.response?.headers?.get("X-Talk");
    const sent = ctx?.sourceElement;
    if (sent?.matches?.("[data-composer]") && said) {
      const box = document.getElementById("say");
      if (box && said === "taken") box.value = "";
      box?.focus({ preventScroll: true });
    }
    const now = countTurns();
    if (now > turns && (follows || said === "taken")) {
      document.querySelector("#now, #keep, #composer, #ended")?.scrollIntoView({ block: "end" });
    }
    turns = now;
    tick();
  });

  // A studio that does not answer is said, and asked again until it does; nothing that was typed is lost.
  let asking = 0;
  const gone = (words) => {
    const line = document.getElementById("gone");
    if (line) line.textContent = words;
  };
  const ask = async () => {
    const address = document.getElementById("composer")?.action;
    if (!address) return;
    try {
      await fetch(`${address}/live?seen=`, { headers: { "HX-Request": "true" } });
    } catch {
      return;
    }
    clearInterval(asking);
    asking = 0;
    gone("");
    htmx.ajax("GET", `${address}/live?seen=`, { target: "#talk", swap: "outerMorph" });
  };
  document.addEventListener("htmx:error", (event) => {
    if (!event.detail.ctx?.request || event.detail.ctx.response || asking || !document.getElementById("talk")) return;
    gone("The studio does not answer. What you typed stays here; this page goes on by itself once it answers again.");
    asking = setInterval(ask, 2000);
  });

  document.addEventListener("DOMContentLoaded", () => {
    turns = countTurns();
    for (const field of document.querySelectorAll("[data-frame-choice]")) {
      showFrame(field, field.querySelector("input[type=range]").value);
    }
    tick();
  });
})();
