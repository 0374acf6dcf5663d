/** The blend-shape inspector: what each shape does now, and a factor of one's own on it. */

import { make } from "../dom.js";
import { edit } from "../session.js";
import { stage } from "../stage/stage.js";
import { store } from "../store.js";

/** @type {Map<string, {row: HTMLElement, meter: HTMLElement, input: HTMLInputElement, output: HTMLElement, dragged: boolean, value: number, column: number}>} */
const rows = new Map();
let open = false;
let filter = "";
let moving = false;

/** @param {string} name */
function makeRow(name) {
  const id = `shape-${name}`;
  const input = make("input", { type: "range", id, min: 0, max: 2, step: 0.05, value: 1, title: "Factor on this shape; double click: back to 1" });
  const meter = make("i");
  const output = make("output", { for: id, "aria-live": "off" });
  const row = make("div", { class: "shape" }, make("label", { for: id, text: name, title: name }), make("div", { class: "meter" }, make("b"), meter, input), output);
  const entry = { row, meter, input, output, dragged: false, value: -1, column: -1 };
  let gesture = 0;
  const send = (/** @type {number} */ value) => {
    edit({ op: "settings", gain: { [name]: value } }, { gesture: `shape-${name}-${gesture}` });
  };
  input.addEventListener("input", () => {
    if (!entry.dragged) gesture += 1;
    entry.dragged = true;
    showGain(entry, Number(input.value));
    send(Number(input.value));
  });
  input.addEventListener("change", () => { entry.dragged = false; });
  input.addEventListener("dblclick", () => {
    entry.dragged = false;
    gesture += 1;
    input.value = "1";
    showGain(entry, 1);
    send(1);
  });
  return entry;
}

/** @param {any} entry @param {number} gain */
function showGain(entry, gain) {
  entry.row.classList.toggle("changed", Math.abs(gain - 1) > 1e-6);
  entry.output.textContent = `×${gain.toFixed(2)}`;
}

/** @param {HTMLElement} panel */
export function buildShapes(panel) {
  const search = make("input", { type: "text", placeholder: "Filter, e.g. brow", "aria-label": "Filter shapes by name", style: "flex:1" });
  const active = make("label", { class: "check" }, make("input", { type: "checkbox" }), "moving");
  const reset = make("button", { class: "link", text: "Reset", "aria-label": "Reset all shapes", onclick: () => {
    const all = Object.fromEntries(Object.keys(store.document?.settings?.gain ?? {}).filter((name) => store.state?.face?.arkit.includes(name)).map((name) => [name, 1]));
    if (Object.keys(all).length) edit({ op: "settings", gain: all });
  } });
  const list = make("div", { class: "shapes" });
  panel.append(
    make("section", { class: "block" }, make("h2", {}, "Blend shapes", reset), make("p", { class: "note", text: "The bar is the weight at this moment; the handle is a factor on it." }), make("div", { class: "row" }, search, active), list),
  );
  store.on("state", () => panel.toggleAttribute("inert", !store.hasAudio));
  search.addEventListener("input", () => {
    filter = search.value.toLowerCase();
    showFiltered();
  });
  active.firstElementChild.addEventListener("change", () => {
    moving = active.firstElementChild.checked;
    showFiltered();
  });
  store.on("state document", () => {
    const names = store.state?.face?.arkit ?? [];
    const columns = new Map((store.state?.face?.shapes ?? []).map((/** @type {string} */ name, /** @type {number} */ i) => [name, i]));
    if (names.length !== rows.size) {
      rows.clear();
      for (const name of names) rows.set(name, makeRow(name));
      list.replaceChildren(...[...rows.values()].map((entry) => entry.row));
    }
    for (const [name, entry] of rows) {
      entry.column = columns.get(name) ?? -1;
      const gain = store.document?.settings?.gain?.[name] ?? 1;
      if (entry.dragged) continue;
      entry.input.value = String(gain);
      showGain(entry, gain);
    }
    showFiltered();
  });
}

function showFiltered() {
  for (const [name, entry] of rows) {
    entry.row.hidden = entry.column < 0 || (filter !== "" && !name.toLowerCase().includes(filter)) || (moving && entry.value <= 0.02);
  }
}

/** @param {boolean} shown the bars live only while they are seen */
export function openShapes(shown) {
  open = shown;
}

let last = 0;
/** Once a frame; the bars at most thirty times a second. */
export function showShapes() {
  const now = performance.now();
  if (!open || now - last < 33) return;
  last = now;
  for (const entry of rows.values()) {
    const value = entry.column < 0 ? 0 : Math.max(0, Math.min(1, stage.row[entry.column] ?? 0));
    if (Math.abs(value - entry.value) < 0.002) continue;
    entry.value = value;
    entry.meter.style.setProperty("--value", value.toFixed(3));
    entry.row.classList.toggle("live", value > 0.02);
    if (moving) entry.row.hidden = value <= 0.02 || !entry.row.textContent.toLowerCase().includes(filter);
  }
}
