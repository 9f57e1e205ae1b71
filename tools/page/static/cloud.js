// The cloud's side: each recording with its object, its words, and its audio to look at and hear.

import { bytes, h, renew, seconds, svg } from "./dom.js";

const MOST = 8;
const BAR = 3;
const HEIGHT = 40;
const PLAY = "M3 1.5v11l9-5.5z";
const PAUSE = "M3 2h3v10H3zM8 2h3v10H8z";

export class Cloud {
  constructor(root) {
    this.root = root;
    this.rows = new Map();
    this.empty = h("p.quiet", {}, "Nothing yet. What arrives is kept here, to hear and to compare.");
    this.more = h("p.more");
    root.append(this.empty);
  }

  show(scene) {
    const arrived = scene.cloud.filter((one) => one.status !== "pending").reverse();
    this.empty.hidden = arrived.length > 0;
    const shown = arrived.slice(0, MOST);
    for (const one of shown) {
      if (!this.rows.has(one.id)) this.rows.set(one.id, new Row(one.id));
      const proof = scene.run.proof?.find((row) => row.recording === one.id);
      this.rows.get(one.id).show(one, proof?.audio);
    }
    const ids = shown.map((one) => one.id).join();
    if (ids !== this.ids) {
      this.ids = ids;
      const wanted = new Set(shown.map((one) => one.id));
      for (const [id, row] of this.rows) {
        if (!wanted.has(id)) {
          row.element.remove();
          this.rows.delete(id);
        }
      }
      let before = this.empty;
      for (const one of shown) {
        const { element } = this.rows.get(one.id);
        if (before.nextSibling !== element) before.after(element);
        before = element;
      }
    }
    const rest = arrived.length - shown.length;
    this.more.textContent = `and ${rest} older`;
    if (rest > 0) this.root.append(this.more);
    else this.more.remove();
  }
}

class Row {
  constructor(id) {
    this.id = id;
    this.audio = null;
    this.bars = null;
    this.icon = svg("path", { d: PLAY });
    this.button = h("button.play", { type: "button", onclick: () => this.toggle() }, svg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, this.icon));
    this.facts = h("div.facts");
    this.wave = svg("svg", { class: "wave", preserveAspectRatio: "none", role: "img" });
    this.wave.addEventListener("click", (event) => this.seek(event));
    this.hash = h("div.hash");
    this.words = h("div.words");
    this.object = h("div.object.number");
    this.element = h("div.recording", {}, this.button, this.facts, h("div.wave-cell", {}, this.wave), this.hash, this.words, this.object);
  }

  /** audio: what the proof said of it, "equal" or a signal-to-noise ratio; none before. */
  show(one, audio) {
    const key = [audio, one.status, one.bytes, one.sha256, one.words, one.transcript_due];
    renew(this.facts, key, () => [
      h("b", {}, `clip ${one.clip}`), h("br"),
      `${seconds(one.seconds)}, ${bytes(one.bytes)}`, h("br"), one.mime_type.replace("audio/", "").toUpperCase(),
    ]);
    const isProved = Boolean(one.verified_at) || one.chunks > 0;
    renew(this.hash, key, () => [
      isProved ? (audio ? `✓ proved, ${audio}` : "✓ verified") : one.status, h("br"),
      h("span.number", { title: one.sha256 ?? "" }, one.sha256 ? `${one.sha256.slice(0, 8)}…` : one.chunks ? `${one.chunks} chunks` : ""),
    ]);
    this.words.textContent = one.transcript_due ? "being transcribed …" : one.words ? `“${one.words}”` : "";
    this.object.textContent = one.object;
    this.object.title = one.object;
    this.button.setAttribute("aria-label", `Play clip ${one.clip}`);
    this.wave.setAttribute("aria-label", `The shape of clip ${one.clip}'s audio`);
    this.number = one.clip;
    if (this.bars === null && one.status === "uploaded") this.load();
  }

  async load() {
    this.bars = [];
    try {
      const answer = await fetch(`waveform/${this.id}`);
      if (!answer.ok) return;
      this.bars = await answer.json();
    } catch {
      return;
    }
    this.wave.setAttribute("viewBox", `0 0 ${this.bars.length * BAR} ${HEIGHT}`);
    const loudest = Math.max(0.02, ...this.bars);
    this.wave.replaceChildren(...this.bars.map((bar, i) => {
      const height = Math.max(1.5, (bar / loudest) * HEIGHT);
      return svg("rect", { x: i * BAR, y: (HEIGHT - height) / 2, width: BAR - 1, height, rx: 1 });
    }));
  }

  toggle() {
    if (!this.audio) {
      this.audio = new Audio(`audio/${this.id}`);
      for (const name of ["play", "pause", "ended", "timeupdate"]) this.audio.addEventListener(name, () => this.draw());
    }
    if (this.audio.paused) {
      document.dispatchEvent(new CustomEvent("plays", { detail: this }));
      this.audio.play();
    } else this.audio.pause();
  }

  seek(event) {
    if (!this.audio?.duration) return;
    this.audio.currentTime = (event.offsetX / this.wave.clientWidth) * this.audio.duration;
    this.draw();
  }

  draw() {
    const { audio } = this;
    this.icon.setAttribute("d", audio.paused ? PLAY : PAUSE);
    this.button.setAttribute("aria-label", `${audio.paused ? "Play" : "Pause"} clip ${this.number}`);
    const share = audio.duration && !audio.ended ? audio.currentTime / audio.duration : 0;
    [...this.wave.children].forEach((bar, i) => bar.classList.toggle("past", i < share * this.wave.children.length));
  }
}

// One at a time.
let playing = null;
document.addEventListener("plays", (event) => {
  if (playing && playing !== event.detail) playing.audio?.pause();
  playing = event.detail;
});
