// A person's own video on its way to the studio: how far it is, a way to stop it, and why it was refused.
"use strict";
(() => {
  const start = (root) => {
    const field = root.querySelector("input[type=file]");
    const underWay = root.querySelector(".upload-under-way");
    const bar = root.querySelector("progress");
    const said = root.querySelector("[data-said]");
    const refused = root.querySelector("[data-refused]");
    let sending = null;

    const end = (words) => {
      sending = null;
      underWay.hidden = true;
      field.disabled = false;
      field.value = "";
      refused.textContent = words;
    };
    const send = (file) => {
      if (sending) return;
      refused.textContent = "";
      const most = Number(root.dataset.mostBytes);
      if (file.size > most) {
        end(`${file.name} has ${Math.round(file.size / 1e6)} MB; at most ${Math.round(most / 1e6)} MB are taken. Cut out the seconds that matter.`);
        return;
      }
      sending = new XMLHttpRequest();
      sending.open("POST", root.dataset.upload);
      sending.setRequestHeader("X-CSRF-Token", studio.csrf());
      sending.setRequestHeader("Content-Type", "application/octet-stream");
      sending.upload.addEventListener("progress", (event) => {
        const percent = Math.floor((100 * event.loaded) / Math.max(1, event.total));
        bar.value = percent;
        said.textContent = percent < 100 ? `${file.name}: ${percent} % sent` : `${file.name}: being looked at and made ready…`;
      });
      sending.upload.addEventListener("load", () => {
        bar.removeAttribute("value");
        said.textContent = `${file.name}: being looked at and made ready…`;
      });
      sending.addEventListener("load", () => {
        const { status } = sending;
        const to = sending.getResponseHeader("Location");
        if (status === 201 && to) {
          location.assign(to);
          return;
        }
        const plain = (sending.getResponseHeader("Content-Type") ?? "").startsWith("text/plain");
        end(plain ? `Not taken: ${sending.responseText}.` : `Not taken: the studio answered ${status}. Reload the page and try again.`);
      });
      sending.addEventListener("error", () => end("The line broke while it was sent. Try again."));
      sending.addEventListener("abort", () => end("Stopped; nothing was kept."));
      bar.value = 0;
      said.textContent = `${file.name}: 0 % sent`;
      underWay.hidden = false;
      field.disabled = true;
      sending.send(file);
    };

    field.addEventListener("change", () => field.files[0] && send(field.files[0]));
    root.querySelector("[data-stop]").addEventListener("click", () => sending?.abort());
    root.addEventListener("dragover", (event) => {
      event.preventDefault();
      root.classList.add("over");
    });
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("over");
      const file = event.dataTransfer.files[0];
      if (file) send(file);
    });
  };
  document.addEventListener("DOMContentLoaded", () => {
    for (const root of document.querySelectorAll("[data-upload]")) start(root);
  });
})();
