/** A slider with its name and its value; a double click or a click on the value sets it back. */

import { freshId, make } from "../dom.js";

/**
 * @typedef {object} Slider
 * @property {HTMLElement} element
 * @property {(value: number) => void} set show a value; ignored while it is dragged
 */

/**
 * @param {{label: string, min: number, max: number, step: number, normal: number, digits?: number, title?: string, unit?: string, changed: (value: number, gesture: string, done: boolean) => void}} options
 * `changed` is called while it moves, and a last time with `done` when it is let go
 * @returns {Slider}
 */
export function slider({ label, min, max, step, normal, digits = 2, title = "", unit = "", changed }) {
  const id = freshId("slider");
  const input = make("input", { type: "range", id, min, max, step, value: normal });
  const output = make("output", { for: id, role: "button", tabindex: "-1", title: `Back to ${normal.toFixed(digits)}${unit}` });
  const element = make("div", { class: "slider", title }, make("label", { for: id, text: label }), input, output);
  let dragged = false;
  let gesture = "";
  const show = () => {
    const value = Number(input.value);
    input.style.setProperty("--share", `${((value - min) / (max - min)) * 100}%`);
    output.textContent = value.toFixed(digits) + unit;
    output.setAttribute("aria-label", `${label} ${output.textContent}: back to ${normal.toFixed(digits)}${unit}`);
    input.setAttribute("aria-valuetext", output.textContent);
    element.classList.toggle("changed", Math.abs(value - normal) > step / 2);
  };
  const set = (/** @type {number} */ value) => {
    if (dragged) return;
    input.value = String(value);
    show();
  };
  const back = () => {
    dragged = false;
    set(normal);
    changed(normal, freshId("back"), true);
  };
  input.addEventListener("input", () => {
    if (!dragged) gesture = freshId(`slide-${label}`);
    dragged = true;
    show();
    changed(Number(input.value), gesture, false);
  });
  input.addEventListener("change", () => {
    dragged = false;
    changed(Number(input.value), gesture, true);
  });
  input.addEventListener("dblclick", back);
  output.addEventListener("click", back);
  show();
  return { element, set };
}
