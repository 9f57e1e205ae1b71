// The knobs: switches that do the real thing. What the recorder says to each stands below it.

import { h, post, say, turn } from "./dom.js";
import { Microphone } from "./microphone.js";

const GROUPS = { hands: "Hands and voice", supply: "Power, card, clock", way: "The network", cloud: "The cloud" };

export class Knobs {
  constructor(root, refused) {
    this.root = root;
    this.refused = refused;
    this.shown = new Map();
    this.laptopIsOn = false;
    this.microphone = new Microphone((pcm, rate) => post(`say?rate=${rate}`, pcm, "application/octet-stream"));
  }

  show(scene) {
    if (!this.shown.size) this.build(scene.knobs);
    for (const knob of scene.knobs) this.update(knob);
    const laptop = scene.knobs.find((knob) => knob.name === "laptop");
    // At the change alone: a picture from before the click may come after it.
    if (this.laptopIsOn && !laptop.is_on) this.microphone.stop();
    this.laptopIsOn = laptop.is_on;
  }

  build(knobs) {
    for (const [group, title] of Object.entries(GROUPS)) {
      const members = knobs.filter((knob) => knob.group === group);
      const buttons = members.map((knob) => {
        const control = knob.kind === "once" ? h("span.once", { "aria-hidden": "true" }, "once") : h("span.switch", { "aria-hidden": "true" });
        const heard = h("span.heard", { "aria-live": "polite" });
        const hint = h("span.hint", {}, knob.hint);
        const button = h(`button.knob.of-${group}`, { type: "button", "data-knob": knob.name, onclick: () => this.click(knob.name) },
          h("span.label", {}, knob.label), control, hint, heard);
        if (knob.kind === "hold") button.setAttribute("role", "switch");
        this.shown.set(knob.name, { button, heard, hint, knob });
        return button;
      });
      this.root.append(h("fieldset.group", {}, h("legend", {}, title), ...buttons));
    }
  }

  update(knob) {
    const shown = this.shown.get(knob.name);
    shown.knob = knob;
    if (knob.kind === "hold") shown.button.setAttribute("aria-checked", String(knob.is_on));
    shown.button.disabled = Boolean(knob.why_not);
    say(shown.hint, knob.why_not || knob.hint);
    shown.heard.classList.toggle("done", !knob.is_on);
    say(shown.heard, knob.said.map((one) => one.title).join(" · "));
  }

  async click(name) {
    const { knob } = this.shown.get(name);
    const on = knob.kind === "once" || !knob.is_on;
    if (name === "laptop" && on) {
      const refusal = await this.microphone.start();
      if (refusal) {
        say(this.refused, refusal);
        return;
      }
    }
    const refusal = await turn(name, on);
    if (refusal && name === "laptop" && on) this.microphone.stop();
    say(this.refused, refusal ?? "");
  }
}
