// The few lines that a page without a framework needs.

/** h("button.knob", {onclick: f, "aria-label": "…"}, "text", child, …) */
export function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  return put(element, attributes, ...children);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  return put(document.createElementNS(SVG, tag), attributes, ...children);
}

function put(element, attributes, ...children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set a text only where it changed: a screen reader speaks every change. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replace what an element holds, where `key` (any plain value) is another than last time. */
export function renew(element, key, make) {
  const text = JSON.stringify(key);
  if (element.dataset.key === text) return;
  element.dataset.key = text;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  element.replaceChildren(...[make()].flat());
  if (focused) element.querySelector(`[data-focus="${focused}"]`)?.focus();
}

export const seconds = (value) =>
  value < 100 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;

export const bytes = (value) =>
  value < 1024 ? `${value} B` : value < 1048576 ? `${Math.round(value / 1024)} KiB` : `${(value / 1048576).toFixed(1)} MiB`;

const key = document.querySelector('meta[name="bench-key"]').content;

/** POST with this run's key; null if it was taken, else one sentence that says why not. */
export async function post(path, body, type = "application/json") {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "X-Bench-Key": key, "Content-Type": type },
      body,
    });
    if (answer.ok) return null;
    const text = await answer.text();
    try {
      return JSON.parse(text).error;
    } catch {
      return text.trim();
    }
  } catch {
    return "The simulator does not answer any more: the run has ended.";
  }
}

export const turn = (name, on) => post(`knobs/${name}`, JSON.stringify({ on }));
