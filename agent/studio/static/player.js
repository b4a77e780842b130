// Plays a packed pair (agent/studio/proxy.py): its tiles lie under each other in one video, so they show one frame.
// Keys, while no field is typed in: space plays, comma and full stop step, 1 to 5 choose what is shown.
"use strict";

class PairPlayer {
  constructor(root) {
    this.root = root;
    const number = (name) => Number(root.dataset[name]);
    this.width = number("width");
    this.height = number("height");
    this.step = number("step");
    this.frames = number("frames");
    this.fps = number("fps");
    this.video = root.querySelector("video");
    this.stage = root.querySelector(".player-stage");
    this.panes = [...root.querySelectorAll(".player-pane")].map((figure) => ({
      figure,
      canvas: figure.querySelector("canvas"),
      context: figure.querySelector("canvas").getContext("2d"),
      caption: figure.querySelector("figcaption"),
    }));
    this.scrubber = root.querySelector("[data-scrub]");
    this.wipe = root.querySelector("[data-wipe]");
    this.looping = root.querySelector("[data-loop]");
    this.playButton = root.querySelector('[data-do="play"]');
    this.mode = this.stage.dataset.mode;
    this.frame = 0;
    this.wanted = null;
    this.prepare();
  }

  prepare() {
    const { video } = this;
    video.controls = false;
    video.tabIndex = -1;
    video.setAttribute("aria-hidden", "true");
    this.root.classList.add("player-scripted");
    this.looping.checked = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    video.addEventListener("loadeddata", () => this.ready(), { once: true });
    video.addEventListener("error", () => this.failed(), { once: true });
    video.addEventListener("seeked", () => this.arrived());
    for (const name of ["play", "pause"]) video.addEventListener(name, () => this.showPlaying());
    video.addEventListener("ended", () => this.ended());
    if (video.readyState >= 2) this.ready();
    else if (video.error) this.failed();
    this.setMode(this.mode);
  }

  ready() {
    if (this.root.dataset.ready) return;
    this.root.dataset.ready = "yes";
    this.root.querySelector(".player-wait").hidden = true;
    this.root.querySelector(".player-bar").hidden = false;
    this.listen();
    this.seek(0);
  }

  failed() {
    this.root.classList.add("player-failed");
    this.root.querySelector(".player-wait").textContent =
      "This video cannot be shown: its files were given up, or cannot be read.";
  }

  listen() {
    this.scrubber.addEventListener("input", () => this.seek(Number(this.scrubber.value)));
    this.root.querySelector("[data-speed]").addEventListener("change", (event) => {
      this.video.playbackRate = Number(event.target.value);
    });
    for (const button of this.root.querySelectorAll("[data-do]"))
      button.addEventListener("click", () => this.act(button.dataset.do));
    for (const radio of this.root.querySelectorAll(".player-modes input"))
      radio.addEventListener("change", () => this.setMode(radio.value));
    if (!this.wipe) return;
    this.wipe.addEventListener("input", () => this.draw());
    const { canvas } = this.panes[0];
    const drag = (event) => {
      if (this.mode !== "wipe" || !(event.buttons & 1)) return;
      const box = canvas.getBoundingClientRect();
      this.wipe.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
      this.draw();
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag(event);
    });
    canvas.addEventListener("pointermove", drag);
  }

  act(what) {
    if (what === "play") this.toggle();
    else this.seek((this.wanted ?? this.frame) + (what === "back" ? -1 : 1));
  }

  toggle() {
    if (!this.video.paused) return this.seek(this.numberAt(this.video.currentTime));
    if (this.frame >= this.frames - 1) this.video.currentTime = 0;
    this.video.play().then(() => this.follow(), () => this.failed());
  }

  // Draws what is on the video's screen, frame by frame, while it plays.
  follow() {
    const on = (mediaTime) => {
      if (this.video.seeking) return;
      this.show(this.numberAt(mediaTime));
    };
    if (this.video.requestVideoFrameCallback) {
      this.video.requestVideoFrameCallback((now, data) => {
        on(data.mediaTime);
        if (!this.video.paused) this.follow();
      });
      return;
    }
    requestAnimationFrame(() => {
      on(this.video.currentTime);
      if (!this.video.paused) this.follow();
    });
  }

  ended() {
    if (!this.looping.checked) return this.seek(this.frames - 1);
    this.video.currentTime = 0;
    this.video.play().then(() => this.follow(), () => this.failed());
  }

  numberAt(seconds) {
    return Math.max(0, Math.min(this.frames - 1, Math.floor(seconds * this.fps + 0.01)));
  }

  // One seek at a time: while one is under way only the last wish is kept.
  seek(frame) {
    const wanted = Math.max(0, Math.min(this.frames - 1, frame));
    this.video.pause();
    const busy = this.wanted !== null;
    this.wanted = wanted;
    this.scrubber.value = String(wanted);
    if (!busy) this.go();
  }

  go() {
    this.going = this.wanted;
    this.root.dataset.settled = "no";
    this.video.currentTime = (this.going + 0.5) / this.fps;
  }

  arrived() {
    if (this.wanted === null) return;
    if (this.wanted !== this.going) return this.go();
    this.wanted = null;
    this.show(this.going);
    this.root.dataset.settled = "yes";
  }

  show(frame) {
    this.frame = frame;
    // Counted from 0, as everywhere in traces.
    const words = `frame ${frame} / ${this.frames - 1}`;
    this.root.dataset.shown = String(frame);
    this.root.querySelector("[data-frame]").textContent = words;
    this.scrubber.value = String(frame);
    this.scrubber.setAttribute("aria-valuetext", `${words}, ${(frame / this.fps).toFixed(2)} seconds`);
    this.draw();
  }

  setMode(mode) {
    this.mode = mode;
    this.stage.dataset.mode = mode;
    if (this.panes[1]) this.panes[1].figure.hidden = mode !== "side";
    if (this.wipe) this.wipe.closest("label").hidden = mode !== "wipe";
    const said = { wipe: "source | edited", difference: `difference, made ${this.root.dataset.gain} times as strong` };
    const first = mode === "side" ? "source" : (said[mode] ?? mode);
    this.panes[0].caption.textContent = first;
    this.panes[0].canvas.setAttribute("aria-label", first);
    if (this.root.dataset.ready) this.draw();
  }

  tile(pane, place, left = 0, right = this.width) {
    const wide = right - left;
    if (wide <= 0) return;
    const top = place * this.step;
    pane.context.drawImage(this.video, left, top, wide, this.height, left, 0, wide, this.height);
  }

  draw() {
    const [first, second] = this.panes;
    if (this.mode === "wipe") return this.drawWipe(first);
    this.tile(first, { edited: 1, difference: 2 }[this.mode] ?? 0);
    if (this.mode === "side") this.tile(second, 1);
  }

  drawWipe(pane) {
    const share = Number(this.wipe.value);
    const at = Math.round((this.width * share) / 100);
    this.wipe.setAttribute("aria-valuetext", `${share} percent source, ${100 - share} percent edited`);
    this.tile(pane, 0, 0, at);
    this.tile(pane, 1, at, this.width);
    pane.context.fillStyle = "#000";
    pane.context.fillRect(at - 2, 0, 4, this.height);
    pane.context.fillStyle = "#fff";
    pane.context.fillRect(at - 1, 0, 2, this.height);
    pane.context.fillRect(at - 4, this.height / 2 - 12, 8, 24);
  }

  showPlaying() {
    const playing = !this.video.paused;
    this.playButton.textContent = playing ? "❚❚" : "▶\uFE0E";
    this.playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
    if (playing) this.root.dataset.settled = "no";
  }

  key(key) {
    const modes = [...this.root.querySelectorAll(".player-modes input")];
    if (key === " ") this.toggle();
    else if (key === ",") this.act("back");
    else if (key === ".") this.act("forward");
    else if (modes[Number(key) - 1]) modes[Number(key) - 1].click();
    else return false;
    return true;
  }
}

function isTyping(target) {
  return target.isContentEditable || target.matches("textarea, select, input:not([type=range], [type=radio], [type=checkbox])");
}

const players = new Set();

function startPlayers(within) {
  for (const root of within.querySelectorAll("[data-player]:not(.player-scripted)")) players.add(new PairPlayer(root));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const pressable = event.target.closest("button, a, summary, input:not([type=range], [type=radio]:checked)");
  if (event.key === " " && pressable) return;
  for (const player of players) if (!player.root.isConnected) players.delete(player);
  const nearest = [...players].find((player) => player.root.contains(event.target)) ?? [...players][0];
  if (nearest && nearest.root.dataset.ready && nearest.key(event.key)) event.preventDefault();
});
document.addEventListener("DOMContentLoaded", () => startPlayers(document));
document.addEventListener("htmx:after:swap", () => startPlayers(document));
