// How far recording and upload are: two lines below what the recorder says.

import { bytes, h, say, seconds } from "./dom.js";

export class Progress {
  constructor(root) {
    this.lines = {};
    for (const [name, title] of [["record", "Recording"], ["send", "Uploading"]]) {
      const fill = h(`i.${name}`);
      const value = h("span.value");
      const bar = h("span.bar", { role: "progressbar", "aria-label": title, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
      this.lines[name] = { fill, value, bar };
      root.append(h("div", {}, h("span", {}, title), bar, value));
    }
  }

  show(scene) {
    const open = scene.clips.find((clip) => clip.stage === "record");
    const isMainJob = scene.run.phase === "running" && !scene.run.first_done;
    if (isMainJob) this.set("record", scene.heard_s / scene.total_s, `heard ${scene.heard_s.toFixed(0)} of ${scene.total_s.toFixed(0)} s`);
    else this.set("record", open?.progress ?? 0, open ? `clip ${open.number}, ${seconds(open.seconds)}` : "not now");
    const sent = scene.clips.find((clip) => clip.in_hand) ?? scene.clips.find((clip) => clip.stage === "put");
    const total = bytes(scene.status?.queue.bytes_sent ?? 0);
    if (sent) this.set("send", sent.stage === "put" ? sent.progress : sent.stage === "complete" ? 1 : 0, `clip ${sent.number}, ${total} sent in all`);
    else this.set("send", 0, `${scene.cloud.filter((one) => one.status === "uploaded").length} delivered, ${total} sent`);
  }

  set(name, share, text) {
    const { fill, value, bar } = this.lines[name];
    const percent = Math.round(100 * Math.max(0, Math.min(1, share)));
    fill.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", percent);
    say(value, text);
  }
}
