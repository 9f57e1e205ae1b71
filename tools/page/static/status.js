// The status document as the recorder gives it, part by part, and the end of its log.

import { h, renew } from "./dom.js";

export class Status {
  constructor(root, log) {
    this.root = root;
    this.log = log;
  }

  show(scene) {
    renew(this.root, scene.status, () => (scene.status ? parts(scene.status) : h("p.quiet", {}, "The recorder does not answer: no power, or it starts.")));
    renew(this.log, scene.log, () => scene.log.map((line) => h("span", { class: /^[EW] /.test(line) ? line[0] : "" }, line + "\n")));
    if (this.log.dataset.lines !== String(scene.log.at(-1))) {
      this.log.dataset.lines = String(scene.log.at(-1));
      this.log.scrollTop = this.log.scrollHeight;
    }
  }
}

function parts(status) {
  const plain = Object.entries(status).filter(([, value]) => typeof value !== "object" || value === null);
  const nested = Object.entries(status).filter(([, value]) => typeof value === "object" && value !== null);
  nested.sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
  return h("div.parts", {}, part("board", plain), ...nested.map(([name, value]) => part(name, Object.entries(value))));
}

const ORDER = ["uploads", "update", "resets", "heartbeat", "settings", "storage", "power", "clock", "link", "queue", "recorder"].reverse();

function part(name, rows) {
  const shown = rows.sort(([a], [b]) => a.localeCompare(b)).map(([key, value]) => [h("dt", {}, key), h("dd.number", {}, text(value))]);
  return h("section.part", {}, h("h3", {}, name), h("dl", {}, ...shown.flat()));
}

function text(value) {
  if (value === null) return "–";
  if (typeof value === "object") return Object.entries(value).map(([k, v]) => `${k} ${text(v)}`).join(", ") || "–";
  return String(value);
}
