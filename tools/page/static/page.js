// One event stream brings the whole picture (scene.py); each part of the page shows its piece.

import { h, renew, say } from "./dom.js";
import { Recorder } from "./recorder.js";
import { Way } from "./way.js";
import { Knobs } from "./knobs.js";
import { Cloud } from "./cloud.js";
import { Status } from "./status.js";
import { Progress } from "./progress.js";

const at = (id) => document.getElementById(id);
const parts = [
  new Recorder(at("recorder")),
  new Progress(at("going")),
  new Way(at("way"), at("clip")),
  new Knobs(at("knob-groups"), at("refused")),
  new Cloud(at("cloud")),
  new Status(at("status"), at("log")),
];

const PHASES = {
  starting: ["off", "Starting"],
  running: ["send", "Main job runs"],
  proving: ["send", "Proving"],
  proved: ["fine", "Proved"],
  open: ["fine", "Yours to play with"],
  failed: ["act", "Failed"],
};

let last = null;
let hasEnded = false;

function show(scene) {
  last = scene;
  showRun(scene);
  showSays(scene);
  for (const part of parts) part.show(scene);
  document.title = `${scene.says.title} · Recorder on the bench`;
}

function showRun(scene) {
  const { run } = scene;
  let [tone, words] = PHASES[run.phase] ?? ["off", run.phase];
  let more = "";
  if (run.phase === "open" && run.proof) more = `${run.proof.length} clips proved so far; Ctrl-C in the terminal ends it`;
  if (run.phase === "proved" && run.proof) {
    const total = run.proof.reduce((sum, row) => sum + row.seconds, 0);
    more = `${run.proof.length} clips, ${total.toFixed(1)} s of audio delivered once`;
  }
  if (run.phase === "failed") more = run.note || (run.faults ?? []).join("; ");
  if (hasEnded || run.closed) more += `${more ? ". " : ""}The run has ended: KEEP=1 keeps one going`;
  renew(at("run"), [tone, words, more], () => [h("span", {}, more), h(`span.badge.${tone}`, {}, words)]);
}

function showSays(scene) {
  const { says } = scene;
  const box = at("says");
  box.className = `says ${says.tone}`;
  const key = [says.code, says.title, says.ends_when, says.also, says.clock];
  renew(box, key, () => [
    h("strong", {}, says.title),
    says.ends_when ? h("span", {}, `Until ${says.ends_when}.`, h("span.again", { "aria-hidden": "true" })) : null,
    says.also || says.clock
      ? h("span.also", {}, "Also: ", h("b", {}, [says.also, says.clock].filter(Boolean).join(" · ")))
      : null,
  ].filter(Boolean));
  const again = box.querySelector(".again");
  if (again) say(again, says.again_in_s ? ` It looks again in ${says.again_in_s} s.` : "");
}

const stream = new EventSource("events");
stream.addEventListener("message", (event) => show(JSON.parse(event.data)));
stream.addEventListener("end", () => finish());
stream.addEventListener("error", () => {
  if (stream.readyState !== EventSource.OPEN && last) finish();
});

function finish() {
  hasEnded = true;
  stream.close();
  if (last) showRun(last);
  document.body.classList.add("ended");
}
