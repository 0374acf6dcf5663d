/** What all lanes are drawn with: colours of the theme, the grid of time, and curves. */

import { track } from "../signals.js";
import { store } from "../store.js";
import { token } from "../theme.js";
import { view } from "./view.js";

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {import("./view.js").Lane} Lane */

/** @type {Record<string, string>} */
export const ink = {};
/** @type {CanvasPattern | null} */
let hatch = null;

/** Read the colours again, after the theme changed. */
export function readColours() {
  const names = ["text", "dim", "faint", "line", "line-strong", "panel", "sunk", "raised", "accent-text", "wave", "curve", "valence", "arousal"];
  for (const name of names) ink[name] = token(`--${name}`);
  hatch = null;
}

/** @param {Context} context @returns {CanvasPattern} lines for what is in doubt */
export function hatching(context) {
  if (hatch) return hatch;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = ink.text;
  pen.globalAlpha = 0.3;
  pen.lineWidth = 1.25;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  hatch = context.createPattern(tile, "repeat");
  return hatch;
}

/** @param {string} hex @returns {[number, number, number]} */
const channels = (hex) => /** @type {any} */ ([1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

/** @param {string} hex @param {number} alpha */
export function faded(hex, alpha) {
  const [r, g, b] = channels(hex);
  return `rgb(${r} ${g} ${b} / ${alpha})`;
}

/** @param {string} hex @returns {string} black or white, what is read better on it */
export function readable(hex) {
  const [r, g, b] = channels(hex).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#0b0c0e" : "#ffffff";
}

/** @param {string} over @param {string} under @param {number} alpha @returns {string} */
export function mixed(over, under, alpha) {
  const [a, b] = [channels(over), channels(under)];
  return `#${a.map((c, i) => Math.round(c * alpha + b[i] * (1 - alpha)).toString(16).padStart(2, "0")).join("")}`;
}

/** @param {Context} c @param {[number, number, number, number]} box left, top, width, height @param {() => void} draw what is seen in it alone */
export function inside(c, box, draw) {
  c.save();
  c.beginPath();
  c.rect(...box);
  c.clip();
  draw();
  c.restore();
}

/** Seconds between ticks, so that labels do not touch. */
export function tickStep() {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300];
  return steps.find((step) => step * view.scale >= 76) ?? 600;
}

/** @param {number} time @param {number} step @returns {string} */
export function tickText(time, step) {
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  const minutes = Math.floor(time / 60 + 1e-9);
  const rest = Math.max(0, time - 60 * minutes).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}

/** @param {Context} c @param {Lane} lane grid lines of time through it */
export function drawGrid(c, lane) {
  const step = tickStep();
  c.strokeStyle = ink.line;
  c.lineWidth = 1;
  c.globalAlpha = 0.55;
  c.beginPath();
  for (let i = Math.ceil(view.start / step); i * step <= view.end; i++) {
    const x = Math.round(view.x(i * step)) + 0.5;
    c.moveTo(x, lane.top);
    c.lineTo(x, lane.top + lane.height);
  }
  c.stroke();
  c.globalAlpha = 1;
}

/**
 * A column of the track as a line.
 * @param {number} column @param {(value: number) => number} place pixels from the top
 * @param {number} [start] @param {number} [end] seconds of the part, the window by default
 * @param {import("../signals.js").Track} [of]
 * @returns {Path2D}
 */
export function curve(column, place, start = view.start, end = view.end, of = track) {
  const { rows, rate, count } = of.at(view.scale);
  const path = new Path2D();
  if (!count) return path;
  const at = (/** @type {number} */ i) => place(rows[Math.min(Math.max(i, 0), count - 1) * of.columns + column]);
  // Row i is in the middle of its stretch of time; at both ends the line is cut by interpolation.
  const cut = (/** @type {number} */ time) => {
    const whole = time * rate - 0.5;
    const low = Math.floor(whole);
    path.lineTo(view.x(time), at(low) + (at(low + 1) - at(low)) * (whole - low));
  };
  const [from, to] = [Math.max(start, 0), Math.min(end, store.duration)];
  cut(from);
  for (let i = Math.ceil(from * rate - 0.5); (i + 0.5) / rate < to && i < count; i++) path.lineTo(view.x((i + 0.5) / rate), at(i));
  cut(to);
  return path;
}
