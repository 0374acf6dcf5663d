/** Sliders: a double click, Delete, or a click on the value sets one back. */

import { freshId, make } from "../dom.js";

/** Begins what each drag is called: those of another page, or before this one was loaded again, are others. */
const PAGE = performance.timeOrigin;

/**
 * @typedef {object} Slider
 * @property {HTMLElement} element
 * @property {(value: number) => void} set show a value; ignored while it is dragged
 */

/**
 * A range input alone.
 * @param {{min: number, max: number, step: number, normal: number, title?: string, shown: (value: number) => void, changed: (value: number, gesture: string) => void}} options
 * `shown` is called with every value that it has; `changed` with those of the user, also when it is let go, and what is one drag
 * @returns {{input: HTMLInputElement, set: (value: number) => void, back: () => void}}
 */
export function range({ min, max, step, normal, title, shown, changed }) {
  const input = make("input", { type: "range", id: freshId("slider"), min, max, step, value: normal, title });
  let dragged = false;
  let gesture = "";
  const set = (/** @type {number} */ value) => {
    if (dragged) return;
    input.value = String(value);
    shown(input.valueAsNumber);
  };
  const back = () => {
    dragged = false;
    set(normal);
    changed(normal, freshId(`back-${PAGE}`));
  };
  input.addEventListener("input", () => {
    if (!dragged) gesture = freshId(`slide-${PAGE}`);
    dragged = true;
    shown(input.valueAsNumber);
    changed(input.valueAsNumber, gesture);
  });
  input.addEventListener("change", () => {
    dragged = false;
    changed(input.valueAsNumber, gesture);
  });
  input.addEventListener("dblclick", back);
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => { if (event.key === "Delete") back(); });
  return { input, set, back };
}

/**
 * A slider with its name and its value.
 * @param {{label: string, min: number, max: number, step: number, normal: number, digits?: number, title?: string, unit?: string, changed: (value: number, gesture: string) => void}} options see `range`
 * @returns {Slider}
 */
export function slider({ label, min, max, step, normal, digits = 2, title = "", unit = "", changed }) {
  const shown = (/** @type {number} */ value) => {
    input.style.setProperty("--share", `${((value - min) / (max - min)) * 100}%`);
    output.textContent = value.toFixed(digits) + unit;
    output.setAttribute("aria-label", `${label} ${output.textContent}: back to ${normal.toFixed(digits)}${unit}`);
    input.setAttribute("aria-valuetext", output.textContent);
    element.classList.toggle("changed", Math.abs(value - normal) > step / 2);
  };
  const { input, set, back } = range({ min, max, step, normal, shown, changed });
  const output = make("output", { for: input.id, role: "button", tabindex: "-1", title: `Back to ${normal.toFixed(digits)}${unit}` });
  const element = make("div", { class: "slider", title }, make("label", { for: input.id, text: label }), input, output);
  output.addEventListener("click", back);
  set(normal);
  return { element, set };
}
