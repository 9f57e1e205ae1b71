// The recorder as it is held. Its light flashes as docs/indicator.md says (device/hal/lights.py).

import { h, say, svg, turn } from "./dom.js";

const BETWEEN_MS = 200;
// code: colour, flashes, length of a flash in ms, pause after them in ms (0: it stays on), words
const LIGHTS = {
  idle: ["#35d07f", 1, 40, 5000, "a short green blink: ready"],
  armed: ["#2fd3e0", 1, 40, 2000, "cyan blinks: it listens"],
  recording: ["#ff4d4f", 1, 1000, 0, "red, on: you are recorded"],
  uploading: ["#4d8dff", 1, 400, 400, "blue, half on, half off: it sends"],
  waiting: ["#ffd84d", 1, 200, 2000, "one yellow flash: it waits a moment"],
  waiting_link: ["#ffd84d", 2, 200, 2000, "two yellow flashes: no network"],
  waiting_cloud: ["#ffd84d", 3, 200, 2000, "three yellow flashes: the cloud"],
  battery_low: ["#ff9a3d", 6, 60, 4000, "six orange flashes: charge it"],
  asleep: ["#35d07f", 1, 20, 20000, "a spark now and then: asleep"],
  error: ["#ff4d4f", 4, 100, 1500, "four red flashes: somebody must act"],
  rescue: ["#ff5cf0", 5, 100, 1500, "five magenta flashes: rescue"],
  held: ["#ffffff", 1, 1000, 0, "white: a technician holds it"],
};
const QUIETEST_DBFS = -70;
const HISTORY = 48;
const SCOPE_PX = 36;

export class Recorder {
  constructor(root) {
    this.light = null;
    this.timer = 0;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.button = h("button.button", { type: "button", onclick: () => turn("press", true) }, h("span"));
    this.device = h("div.device", {}, drawn(), this.button);
    this.words = h("p.light-words");
    this.levels = Array(HISTORY).fill(null);
    this.scope = drawnScope();
    this.gauges = {};
    root.append(this.device, this.words, this.scope, ...["level", "battery", "card"].map((name) => this.gauge(name)));
  }

  gauge(name) {
    const fill = h("i");
    const value = h("span.value.number");
    this.gauges[name] = { fill, value };
    const title = name[0].toUpperCase() + name.slice(1);
    return h("div.gauge", {}, h("span.name", {}, title), h("span.bar", { "aria-hidden": "true" }, fill), value);
  }

  show(scene) {
    const status = scene.status;
    const records = status?.recorder.code === "recording";
    this.button.classList.toggle("stops", records);
    this.button.disabled = !scene.power;
    this.button.setAttribute("aria-label", records ? "Press the button: the take ends" : "Press the button: a take begins");
    this.device.classList.toggle("dead", !scene.power);
    this.showLight(scene.power ? scene.light : null, scene.power);
    this.showGauges(scene, status);
  }

  showGauges(scene, status) {
    const level = scene.level_dbfs;
    this.levels = [...this.levels.slice(1), level];
    this.levels.forEach((one, i) => {
      const height = one === null ? 1 : Math.max(1, SCOPE_PX * (1 - one / QUIETEST_DBFS));
      const bar = this.scope.children[i];
      bar.setAttribute("height", height);
      bar.setAttribute("y", (SCOPE_PX - height) / 2);
    });
    this.set("level", level === null ? 0 : 100 * (1 - level / QUIETEST_DBFS), level === null ? "–" : `${Math.round(level)} dBFS`, level !== null && level > -3 ? 2 : 0);
    const percent = status?.battery_pct ?? null;
    const charging = status?.charging ? " ⚡" : "";
    this.set("battery", percent ?? (status ? 100 : 0), percent === null ? (status ? "mains" : "–") : `${percent} %${charging}`, percent !== null && percent < 15 ? 2 : 0);
    const used = status?.storage.used_pct ?? null;
    this.set("card", used ?? 0, used === null ? "–" : `${used} % used`, used > 94 ? 2 : used > 79 ? 1 : 0);
  }

  set(name, percent, text, alarm) {
    const { fill, value } = this.gauges[name];
    fill.style.width = `${Math.max(0, Math.min(100, percent))}%`;
    fill.className = ["", "much", "too-much"][alarm];
    say(value, text);
  }

  showLight(code, hasPower) {
    if (code === this.light && this.hasPower === hasPower) return;
    this.light = code;
    this.hasPower = hasPower;
    clearTimeout(this.timer);
    const known = LIGHTS[code];
    this.words.replaceChildren(
      h("b", {}, hasPower ? (code ?? "starting").replaceAll("_", " ") : "no power"),
      known ? known[4] : hasPower ? "the light is not on yet" : "the light is dark",
    );
    this.device.style.setProperty("--lamp", known?.[0] ?? "");
    this.device.classList.remove("lit");
    if (!known) {
      this.device.style.removeProperty("--lamp");
      return;
    }
    if (this.calm.matches || known[3] === 0) this.device.classList.add("lit");
    else this.flash(known, 0);
  }

  /** A flash and what follows it; count: how many of this turn are through. */
  flash(light, count) {
    const [color, flashes, length, pause] = light;
    this.device.style.setProperty("--lamp", color);
    this.device.classList.add("lit");
    // 40 ms are bright to the eye before a real lamp, and nothing on a screen.
    this.timer = setTimeout(() => {
      this.device.classList.remove("lit");
      this.device.style.removeProperty("--lamp");
      const isLast = count + 1 === flashes;
      this.timer = setTimeout(() => this.flash(light, isLast ? 0 : count + 1), isLast ? pause : BETWEEN_MS);
    }, Math.max(length, 120));
  }
}

/** What was heard in the last moments: a bar a picture, the newest at the right. */
function drawnScope() {
  const bars = Array.from({ length: HISTORY }, (_, i) => svg("rect", { x: i * 4, y: SCOPE_PX / 2, width: 2.4, height: 1, rx: 1.2 }));
  return svg("svg", { class: "scope", viewBox: `0 0 ${HISTORY * 4} ${SCOPE_PX}`, "aria-hidden": "true" }, ...bars);
}

function drawn() {
  const holes = [];
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 7; column++) {
      holes.push(svg("circle", { class: "hole", cx: 54 + column * 10, cy: 74 + row * 9, r: 1.9 }));
    }
  }
  return svg(
    "svg",
    { viewBox: "0 0 168 300", role: "img", "aria-label": "A recorder with a light, a microphone and one button" },
    svg("defs", {}, svg("linearGradient", { id: "shell", x1: 0, y1: 0, x2: 0.3, y2: 1 },
      svg("stop", { offset: "0", "stop-color": "var(--body-top)" }), svg("stop", { offset: "1", "stop-color": "var(--body-bottom)" }))),
    svg("rect", { class: "shell", x: 2, y: 2, width: 164, height: 296, rx: 38 }),
    svg("circle", { class: "glow", cx: 84, cy: 38, r: 16 }),
    svg("circle", { class: "ring", cx: 84, cy: 38, r: 10 }),
    svg("circle", { class: "lamp", cx: 84, cy: 38, r: 7 }),
    ...holes,
    svg("circle", { class: "ring", cx: 84, cy: 167, r: 50 }),
    svg("rect", { class: "hole", x: 62, y: 270, width: 44, height: 7, rx: 3.5 }),
  );
}
