/** The blend-shape inspector: what each shape does now, and a factor of one's own on it. */

import { clamp, make } from "../dom.js";
import { edit } from "../session.js";
import { stage } from "../stage/stage.js";
import { store } from "../store.js";
import { range } from "./slider.js";

/** @type {Map<string, {row: HTMLElement, meter: HTMLElement, set: (gain: number) => void, value: number, column: number}>} */
const rows = new Map();
let filter = "";
let moving = false;

/** @param {string} name */
function makeRow(name) {
  const { input, set } = range({
    min: 0, max: 2, step: 0.05, normal: 1, title: "Factor on this shape; double click or Delete: back to 1",
    shown: (gain) => {
      row.classList.toggle("changed", Math.abs(gain - 1) > 1e-6);
      output.textContent = `×${gain.toFixed(2)}`;
    },
    changed: (gain, gesture) => edit({ op: "settings", gain: { [name]: gain } }, { gesture }),
  });
  const meter = make("i");
  const output = make("output", { for: input.id, "aria-live": "off" });
  const row = make("div", { class: "shape" }, make("label", { for: input.id, text: name, title: name }), make("div", { class: "meter" }, make("b"), meter, input), output);
  return { row, meter, set, value: -1, column: -1 };
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
  store.on("frame", () => { if (!panel.hidden) showShapes(); }); // the bars live only while they are seen
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
      entry.set(store.document?.settings?.gain?.[name] ?? 1);
    }
    showFiltered();
  });
}

function showFiltered() {
  for (const [name, entry] of rows) {
    entry.row.hidden = entry.column < 0 || (filter !== "" && !name.toLowerCase().includes(filter)) || (moving && entry.value <= 0.02);
  }
}

let last = 0;
/** Once a frame; the bars at most thirty times a second. */
function showShapes() {
  const now = performance.now();
  if (now - last < 33) return;
  last = now;
  for (const entry of rows.values()) {
    const value = entry.column < 0 ? 0 : clamp(stage.row[entry.column] ?? 0, 0, 1);
    if (Math.abs(value - entry.value) < 0.002) continue;
    entry.value = value;
    entry.meter.style.setProperty("--value", value.toFixed(3));
    entry.row.classList.toggle("live", value > 0.02);
    if (moving) entry.row.hidden = value <= 0.02 || !entry.row.textContent.toLowerCase().includes(filter);
  }
}
