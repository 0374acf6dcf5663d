/** Drawing of what the track has beside emotion: a row for each fine-grained emotion, and marks of laughter and sighs. */

import { burstName, capital } from "../dom.js";
import { finerTop } from "../finer.js";
import { extras } from "../signals.js";
import { store } from "../store.js";
import { token } from "../theme.js";
import { curve, drawGrid, faded, ink, inside } from "./ink.js";
import { view } from "./view.js";

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {import("./view.js").Lane} Lane */

/** Pixels of the mark of a burst. */
const MARK = 15;
/** Pixels of a mark at least, and from which on it has the first letter of its kind; where there is room, the whole. */
const THINNEST = 3;
const NAMED = 13;

/** @param {Lane} lane of the sound @param {{start: number, end: number}} burst @returns {[number, number, number, number]} left, top, width, height of its mark */
function markOf(lane, burst) {
  const left = view.x(burst.start);
  return [left, lane.top + lane.height - MARK - 2, Math.max(view.x(burst.end) - left, THINNEST), MARK];
}

/** @param {Context} c @param {Lane} lane of the sound: laughs, cries and sighs along its foot */
export function drawBursts(c, lane) {
  c.font = `500 10.5px ${token("--font")}`;
  c.textBaseline = "middle";
  for (const burst of store.document?.bursts ?? []) {
    const [x, y, wide, high] = markOf(lane, burst);
    if (x > view.width || x + wide < 0) continue;
    c.fillStyle = ink.raised;
    c.strokeStyle = ink["accent-text"];
    c.lineWidth = 1;
    c.beginPath();
    c.roundRect(x + 0.5, y + 0.5, Math.max(wide - 1, 1), high - 1, 3);
    c.globalAlpha = 0.9;
    c.fill();
    c.globalAlpha = 1;
    c.stroke();
    if (wide < NAMED) continue;
    c.fillStyle = ink.text;
    const name = capital(burstName(burst.kind));
    const shown = c.measureText(name).width + 6 <= wide ? name : name[0];
    inside(c, [x, y, wide, high], () => c.fillText(shown, x + (wide - c.measureText(shown).width) / 2, y + high / 2 + 0.5));
  }
}

/** @param {number} x @param {number} y @param {number} reach @returns {number} the burst whose mark is there, by its place in the document; -1: none */
export function burstAt(x, y, reach) {
  const lane = view.lane("wave");
  if (!lane) return -1;
  return (store.document?.bursts ?? []).findIndex((burst) => {
    const [left, top, wide, high] = markOf(lane, burst);
    return x >= left - reach / 2 && x <= left + wide + reach / 2 && y >= top && y <= top + high + 2;
  });
}

/** @param {Context} c @param {Lane} lane the row of a fine-grained emotion; its name stands in it where the lanes have no heads */
export function drawFiner(c, lane) {
  drawGrid(c, lane);
  const top = finerTop();
  const place = (/** @type {number} */ value) => lane.top + lane.height - 2 - Math.min(1, value / top) * (lane.height - 5);
  const { category, column, name } = lane.curve;
  const [start, end] = [Math.max(0, view.start - 1), Math.min(store.duration, view.end + 1)];
  const area = curve(column, place, start, end, extras);
  const line = new Path2D(area);
  area.lineTo(view.x(end), place(0));
  area.lineTo(view.x(start), place(0));
  c.fillStyle = category ? faded(store.colour(category), 0.5) : ink.wave;
  c.fill(area);
  c.lineWidth = 1;
  c.strokeStyle = ink.curve;
  c.globalAlpha = 0.7;
  c.stroke(line);
  c.globalAlpha = 1;
  if (view.heads) return;
  c.font = `11px ${token("--font")}`;
  c.textBaseline = "top";
  c.fillStyle = ink.text;
  c.fillText(capital(name), 5, lane.top + 4);
}
