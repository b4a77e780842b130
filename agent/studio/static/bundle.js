// The search in a static copy: every word must be in a sample's instruction, decision, reasons, edit type or id.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const MOST = 200;
  const form = document.getElementById("search");
  const words = document.getElementById("words");
  const hits = document.getElementById("hits");
  const told = (one) => [one.text, one.decision, ...one.reason, one.edit_type, one.id].join(" ").toLowerCase();
  const samples = window.listed.map((one) => ({ ...one, told: told(one) }));
  const search = () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = asked.length ? samples.filter((one) => asked.every((word) => one.told.includes(word))) : [];
    const shown = found.slice(0, MOST).map((one) => {
      const link = document.createElement("a");
      link.href = one.page;
      link.textContent = one.text || one.id;
      const decision = document.createElement("span");
      decision.className = "decision " + one.decision;
      decision.textContent = one.decision;
      const item = document.createElement("li");
      item.append(link, " ", decision);
      return item;
    });
    hits.replaceChildren(...shown);
    const most = found.length > MOST ? `, the first ${MOST} of them here` : "";
    document.getElementById("count").textContent = asked.length ? `${found.length} of ${samples.length} samples${most}` : "";
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  words.addEventListener("input", search);
  // What another page of the copy asked the list for.
  const asked = new URLSearchParams(location.hash.slice(1));
  words.value = ["text", "reason", "edit_type", "decision"].map((name) => asked.get(name) ?? "").join(" ").trim();
  search();
});
