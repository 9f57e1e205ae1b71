// The way of the data: seven stations, and every clip as an object that moves along it.

import { bytes, h, renew, say, seconds } from "./dom.js";

const STATIONS = [
  ["record", "Record", "microphone to open clip"],
  ["wait", "Queue", "closed, safe on the card"],
  ["create", "Create", "the recording's id"],
  ["url", "URL", "where to go"],
  ["put", "Upload", "bytes to storage"],
  ["complete", "Prove", "SHA-256 checked"],
  ["cloud", "Cloud", "freed on the card"],
];
const ZONES = [["on the recorder", 0, 2], ["on the wire", 2, 4], ["in the cloud", 6, 1]];
const PLACE = Object.fromEntries(STATIONS.map(([name], i) => [name, i]));
PLACE.aside = 1;
const ROW_PX = 46;
const MOST_ROWS = 4;
const FACTS = [
  ["state", "state"], ["take", "take"], ["part", "part"], ["seconds", "length"], ["bytes", "size"],
  ["recording", "recording"],
];
const RECORD = {
  codec: "codec", hz: "samples a second", snr: "kept, dB", samples: "samples", crc: "CRC-32", boot: "boot", up: "uptime at start, ms",
  start: "start, Unix ms", doubt: "start may be off, ms", epoch: "token epoch", lost: "samples lost", cut: "cut by power", lev: "level report",
  sha: "SHA-256", tries: "own failures", late: "complete refused once", was: "state before", deaths: "deaths with it", via: "goes as",
};
const ROUTES = { create: "create", upload_url: "ask for the URL", chunk_url: "ask for a chunk's URL", put: "upload", complete: "complete", finalize: "finalize" };

export class Way {
  constructor(root, details) {
    this.details = details;
    this.chosen = null;
    this.stations = {};
    const zones = ZONES.map(([title, from, count]) =>
      h("div.zone", { "aria-hidden": "true", class: `zone from-${from} over-${count}` }, title));
    const track = h("div.track", { role: "list" }, ...STATIONS.map(([name, title, words]) => {
      const station = h("div.station", { role: "listitem" }, h("b", {}, title), h("small", {}, words));
      this.stations[name] = station;
      return station;
    }));
    this.yard = h("div.yard");
    this.clips = new Map();
    this.rests = new Map();
    root.append(...zones, track, this.yard);
    this.scene = null;
    new ResizeObserver(() => this.scene && this.place(this.scene)).observe(root);
  }

  show(scene) {
    this.scene = scene;
    this.place(scene);
    const busy = new Set(scene.clips.filter((clip) => clip.in_hand).map((clip) => clip.stage));
    const records = scene.status?.recorder.code === "recording";
    for (const [name, station] of Object.entries(this.stations)) {
      const isStuck = (scene.says.tone === "wait" || scene.says.tone === "act") &&
        scene.clips.some((clip) => clip.stage === name && PLACE[name] > 0 && PLACE[name] < 6);
      station.className = "station " + name +
        ((name === "record" && records) || busy.has(name) ? " live" : "") + (isStuck ? " stuck" : "");
    }
    this.showDetails(scene);
  }

  /** Where each clip stands: a column a station, the newest of each on top of the older ones. */
  place(scene) {
    const columns = STATIONS.map(() => []);
    for (const clip of scene.clips) columns[PLACE[clip.stage] ?? 1].push(clip);
    const shown = new Set();
    let rows = 1;
    const step = this.yard.clientWidth / STATIONS.length;
    columns.forEach((column, i) => {
      // In the cloud the newest matter, in the queue those that go first.
      const visible = i === 6 ? column.slice(-MOST_ROWS).reverse() : column.slice(0, MOST_ROWS);
      rows = Math.max(rows, visible.length + (column.length > visible.length ? 0.6 : 0));
      visible.forEach((clip, row) => {
        shown.add(clip.number);
        this.put(clip, step * (i + 0.5), row);
      });
      this.rest(i, column.length - visible.length, step * (i + 0.5), visible.length);
    });
    for (const [number, element] of this.clips) {
      if (!shown.has(number)) {
        element.remove();
        this.clips.delete(number);
      }
    }
    this.yard.style.height = `${Math.max(2, rows) * ROW_PX}px`;
  }

  put(clip, x, row) {
    let element = this.clips.get(clip.number);
    const isNew = !element;
    if (isNew) {
      const text = h("span.text", {}, h("b"), h("span"));
      element = h("button.clip", { type: "button", onclick: () => this.choose(clip.number) }, h("span.fill"), text);
      this.clips.set(clip.number, element);
    }
    const width = this.yard.clientWidth < 560 ? 42 : 74;
    element.style.transform = `translate(${Math.round(x - width / 2)}px, ${row * ROW_PX}px)`;
    const isMoving = clip.in_hand && clip.stage !== "record";
    element.className = `clip ${clip.stage}${isMoving ? " moving" : ""}`;
    element.setAttribute("aria-pressed", this.chosen === clip.number);
    element.querySelector(".fill").style.width = clip.stage === "cloud" ? "0" : `${clip.progress * 100}%`;
    const [name, more] = element.querySelector(".text").children;
    say(name, `clip ${clip.number}`);
    const isPut = clip.stage === "put" && clip.progress > 0;
    say(more, clip.stage === "aside" ? "set aside" : isPut ? `${Math.round(clip.progress * 100)} %` : seconds(clip.seconds));
    const station = clip.stage === "aside" ? "set aside" : STATIONS[PLACE[clip.stage]]?.[1];
    element.setAttribute("aria-label", `Clip ${clip.number}, ${seconds(clip.seconds)}, at ${station}: show its record`);
    if (isNew) this.yard.append(element);
  }

  rest(i, count, x, row) {
    let element = this.rests.get(i);
    if (count <= 0) {
      element?.remove();
      this.rests.delete(i);
      return;
    }
    if (!element) {
      element = h("span.rest");
      this.rests.set(i, element);
      this.yard.append(element);
    }
    element.style.left = `${x - 37}px`;
    element.style.top = `${row * ROW_PX}px`;
    say(element, `${count} more`);
  }

  choose(number) {
    this.chosen = this.chosen === number ? null : number;
    if (this.scene) this.show(this.scene);
  }

  showDetails(scene) {
    const clip = scene.clips.find((one) => one.number === this.chosen);
    if (!clip) {
      renew(this.details, null, () => []);
      return;
    }
    renew(this.details, clip, () => [
      h("div.clip-head", {}, h("h3", {}, `Clip ${clip.number}`),
        h("button.close", { type: "button", "data-focus": "close", onclick: () => this.choose(clip.number) }, "close")),
      ...this.why(clip, scene),
      h("div.clip-columns", {}, record(clip), wire(clip)),
    ]);
  }

  /** Why it is where it is. */
  why(clip, scene) {
    if (clip.why) return [h("p.clip-why", {}, `Set aside: ${clip.why.title}.${clip.said ? ` The cloud said: ${clip.said}` : ""}`)];
    const waits = ["wait", "act"].includes(scene.says.tone);
    if (clip.stage === "cloud" || clip.stage === "record" || !waits) return [];
    return [h("p.clip-why", {}, `It waits: ${scene.says.title}.`)];
  }
}

function record(clip) {
  const rows = [];
  for (const [name, title] of FACTS) {
    if (!clip[name]) continue;
    const value = name === "bytes" ? bytes(clip.bytes) : name === "seconds" ? seconds(clip.seconds) : clip[name];
    rows.push(h("dt", {}, title), h("dd.number", {}, String(value)));
  }
  for (const [name, title] of Object.entries(RECORD)) {
    const value = clip.record?.[name];
    if (value === undefined) continue;
    rows.push(h("dt", {}, title), h("dd.number", {}, Array.isArray(value) ? value.join(" ") : String(value)));
  }
  return h("dl.record-facts", {}, ...rows);
}

function wire(clip) {
  const rows = clip.wire.map((one) => h("tr", {},
    h("td.number.r", {}, one.at_s.toFixed(1)),
    h("td", {}, ROUTES[one.route] ?? one.route),
    h("td.number.r", {}, one.bytes ? bytes(one.bytes) : ""),
    answer(one),
  ));
  if (!rows.length) return h("p.quiet", {}, "Nothing of it was on the wire yet.");
  return h("table.wire", {}, h("thead", {}, h("tr", {}, h("th.r", {}, "at s"), h("th", {}, "request"), h("th.r", {}, "bytes"), h("th", {}, "answer"))),
    h("tbody", {}, ...rows));
}

function answer(one) {
  if (one.open) return h("td", {}, "…");
  if (one.status === null) return h("td.bad", {}, one.fault === "drop_answer" ? "lost" : "broke off");
  return h(one.status < 300 ? "td.good.number" : "td.bad.number", {}, String(one.status));
}
