/** Drawing of the lanes: only what is in the visible window, from as many rows as there are pixels. */

import { capital, clamp } from "../dom.js";
import { AROUSAL, INTENSITY, peaks, track, VALENCE, weights } from "../signals.js";
import { byHand, store } from "../store.js";
import { token } from "../theme.js";
import { drawBursts, drawFiner } from "./beside.js";
import { curve, drawGrid, faded, hatching, ink, inside, mixed, readable, tickStep, tickText } from "./ink.js";
import { view } from "./view.js";
import { drawOther, drawTurns, shadeSilence } from "./voices.js";

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {import("./view.js").Lane} Lane */

/** Pixels of the bar with a segment's label. */
export const HEADER = 20;

/** @param {Context} c @param {Lane} lane */
function drawRuler(c, lane) {
  const step = tickStep();
  const minor = step / (step === 15 || step === 0.15 ? 3 : 5);
  c.fillStyle = ink.panel;
  c.fillRect(0, lane.top, view.width, lane.height);
  if (!store.hasAudio) return;
  c.strokeStyle = ink["line-strong"];
  c.fillStyle = ink.dim;
  c.font = `10.5px ${token("--font")}`;
  c.textBaseline = "middle";
  c.beginPath();
  for (let i = Math.floor(view.start / minor); i * minor <= view.end; i++) {
    const x = Math.round(view.x(i * minor)) + 0.5;
    const major = Math.abs((i * minor) / step - Math.round((i * minor) / step)) < 1e-6;
    c.moveTo(x, lane.top + lane.height - (major ? 8 : 4));
    c.lineTo(x, lane.top + lane.height);
    if (major) c.fillText(tickText(i * minor, step), x + 4, lane.top + lane.height / 2 - 1);
  }
  c.globalAlpha = 0.8;
  c.stroke();
  c.globalAlpha = 1;
}

/** @param {Context} c @param {Lane} lane */
function drawWave(c, lane) {
  const { rows, rate, count } = peaks.at(view.scale);
  const middle = lane.top + lane.height / 2;
  const tall = (lane.height / 2 - 3) / peaks.loudest;
  for (const [start, end] of store.state?.pauses ?? []) {
    if (end < view.start || start > view.end) continue;
    c.fillStyle = ink.panel;
    c.fillRect(view.x(start), lane.top, (end - start) * view.scale, lane.height);
  }
  drawGrid(c, lane);
  const first = Math.max(0, Math.floor(view.start * rate));
  const last = Math.min(count - 1, Math.ceil(view.end * rate));
  if (last <= first) return;
  c.beginPath();
  const at = (/** @type {number} */ i) => ((i + 0.5) / rate - view.start) * view.scale;
  c.moveTo(at(first), middle);
  for (let i = first; i <= last; i++) c.lineTo(at(i), middle - Math.max(rows[2 * i + 1] * tall, 0.5));
  for (let i = last; i >= first; i--) c.lineTo(at(i), middle - Math.min(rows[2 * i] * tall, -0.5));
  c.closePath();
  c.fillStyle = ink.wave;
  c.fill();
  drawBursts(c, lane);
}

/** @param {Context} c @param {Lane} lane */
function drawWords(c, lane) {
  c.font = `11px ${token("--font")}`;
  c.textBaseline = "middle";
  for (const word of store.state?.words ?? []) {
    if (word.end < view.start || word.start > view.end) continue;
    const [x, wide] = [view.x(word.start), (word.end - word.start) * view.scale];
    c.fillStyle = ink.raised;
    c.fillRect(x + 0.5, lane.top + 2, Math.max(wide - 1, 1), lane.height - 4);
    if (wide < 12) continue;
    c.fillStyle = ink.text;
    inside(c, [x, lane.top, wide - 2, lane.height], () => c.fillText(word.text, x + 4, lane.top + lane.height / 2 + 0.5));
  }
}

/** @param {Context} c @param {number} top @param {number} height the posterior as stacked ribbons */
function drawPosterior(c, top, height) {
  const { rows, rate, count } = track.at(view.scale);
  if (!count) return;
  const columns = track.columns;
  const labels = store.labels;
  const first = Math.max(0, Math.floor(view.start * rate - 1));
  const last = Math.min(count - 1, Math.ceil(view.end * rate + 1));
  const sums = new Float32Array(last - first + 1);
  const end = Math.min(view.x(store.duration), view.width + 2);
  const at = (/** @type {number} */ i) => Math.min(i === 0 ? view.x(0) : i === count - 1 ? view.x(store.duration) : ((i + 0.5) / rate - view.start) * view.scale, end);
  for (let k = 0; k < labels.length; k++) {
    c.beginPath();
    for (let i = last; i >= first; i--) c.lineTo(at(i), top + height * (1 - sums[i - first]));
    for (let i = first; i <= last; i++) {
      sums[i - first] = Math.min(1, sums[i - first] + rows[i * columns + k]);
      c.lineTo(at(i), top + height * (1 - sums[i - first]));
    }
    c.fillStyle = faded(store.colour(labels[k]), labels[k] === "neutral" ? 0.2 : 0.62);
    c.fill();
  }
}

/** @param {Context} c @param {Lane} lane */
function drawEmotion(c, lane) {
  const body = lane.top + HEADER + 2;
  const high = lane.height - HEADER - 4;
  drawPosterior(c, body, high);
  c.textBaseline = "middle";
  c.font = `500 11px ${token("--font")}`;
  store.segments.forEach((segment) => {
    if (segment.end < view.start || segment.start > view.end) return;
    const [x, right] = [Math.max(view.x(segment.start), -4), Math.min(view.x(segment.end), view.width + 4)];
    const wide = Math.max(right - x - 1, 1);
    const colour = store.colour(segment.label);
    const alpha = 0.6 + 0.4 * segment.confidence;
    const shown = mixed(colour, ink.sunk, alpha);
    if (segment.uncertain) {
      c.save();
      c.translate(view.x(segment.start) % 8, 0);
      c.fillStyle = hatching(c);
      c.fillRect(x - (view.x(segment.start) % 8), body, wide, high);
      c.restore();
    }
    c.fillStyle = shown;
    c.beginPath();
    c.roundRect(x, lane.top + 2, wide, HEADER - 2, 3);
    c.fill();
    if (wide < 10) return;
    c.fillStyle = readable(shown);
    const name = capital(segment.label) + (byHand(segment) ? " •" : "");
    inside(c, [x, lane.top, wide - 3, HEADER + 2], () => c.fillText(name, x + 7, lane.top + HEADER / 2 + 1.5));
  });
}

/** @param {Lane} lane @param {number} value in [0, 1] @returns {number} */
export const intensityY = (lane, value) => lane.top + 7 + (1 - value) * (lane.height - 14);

/** @param {Lane} lane @param {number} y @returns {number} */
export const intensityAt = (lane, y) => clamp(1 - (y - lane.top - 7) / (lane.height - 14), 0, 1);

/** @param {Context} c @param {Lane} lane */
function drawIntensity(c, lane) {
  drawGrid(c, lane);
  c.strokeStyle = ink.line;
  c.beginPath();
  for (const value of [0, 0.5, 1]) {
    const y = Math.round(intensityY(lane, value)) + 0.5;
    c.moveTo(0, y);
    c.lineTo(view.width, y);
  }
  c.stroke();
  if (!track.count) return;
  const place = (/** @type {number} */ value) => intensityY(lane, value);
  for (const segment of store.segments) {
    if (segment.end < view.start || segment.start > view.end) continue;
    const [start, end] = [Math.max(segment.start, view.start - 1), Math.min(segment.end, view.end + 1)];
    const area = curve(INTENSITY, place, start, end);
    area.lineTo(view.x(end), place(0));
    area.lineTo(view.x(start), place(0));
    c.fillStyle = faded(store.colour(segment.label), 0.34);
    c.fill(area);
  }
  const line = curve(INTENSITY, place);
  c.lineWidth = 1.25;
  c.strokeStyle = ink.curve;
  c.globalAlpha = 0.85;
  c.stroke(line);
  c.globalAlpha = 1;
  c.fillStyle = ink["accent-text"];
  for (const { points } of store.document?.intensity ?? []) {
    const [start, end] = [points[0][0], points[points.length - 1][0]];
    c.fillRect(view.x(start), lane.top + lane.height - 3, Math.max((end - start) * view.scale, 2), 2);
  }
}

/** @param {Context} c @param {Lane} lane */
function drawPlane(c, lane) {
  drawGrid(c, lane);
  const place = (/** @type {number} */ value) => lane.top + 4 + (0.5 - 0.5 * value) * (lane.height - 8);
  c.strokeStyle = ink.line;
  c.beginPath();
  c.moveTo(0, Math.round(place(0)) + 0.5);
  c.lineTo(view.width, Math.round(place(0)) + 0.5);
  c.stroke();
  c.lineWidth = 1.5;
  c.strokeStyle = ink.valence;
  c.stroke(curve(VALENCE, place));
  c.strokeStyle = ink.arousal;
  c.setLineDash([4, 3]);
  c.stroke(curve(AROUSAL, place));
  c.setLineDash([]);
}

/** @param {Context} c @param {Lane} lane */
function drawMouth(c, lane) {
  drawGrid(c, lane);
  const { rows, columns, fps, count, known, widestMouth } = weights.a;
  if (!count || !columns) return;
  const foot = lane.top + lane.height - 3;
  const tall = (lane.height - 7) / widestMouth;
  const first = Math.max(0, Math.floor(view.start * fps) - 1);
  const last = Math.min(count - 1, Math.ceil(view.end * fps) + 1);
  const stride = Math.max(1, Math.floor(fps / view.scale));
  c.beginPath();
  c.moveTo(view.x(first / fps), foot);
  for (let i = first; i <= last; i += stride) {
    let most = 0;
    for (let k = i; k < Math.min(i + stride, last + 1); k++) if (known[k]) most = Math.max(most, rows[(k + 1) * columns - 1]);
    c.lineTo(view.x(i / fps), foot - most * tall);
  }
  c.lineTo(view.x(last / fps), foot);
  c.closePath();
  c.fillStyle = ink.wave;
  c.fill();
}

const DRAWERS = { ruler: drawRuler, wave: drawWave, words: drawWords, emotion: drawEmotion, intensity: drawIntensity, plane: drawPlane, mouth: drawMouth, speaker: drawTurns, other: drawOther };

/** @param {Context} c everything below the cursor */
export function drawLanes(c) {
  c.clearRect(0, 0, view.width, view.height);
  for (const lane of view.lanes) {
    inside(c, [0, lane.top, view.width, lane.height], () => {
      if (store.hasAudio || lane.name === "ruler") (lane.curve ? drawFiner : DRAWERS[/** @type {keyof typeof DRAWERS} */ (lane.name.replace(/\d+$/, ""))])(c, lane);
      if (lane.name === "emotion") shadeSilence(c, lane, HEADER + 2);
      if (lane.name === "intensity") shadeSilence(c, lane);
    });
    c.strokeStyle = ink.line;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(0, lane.top + lane.height - 0.5);
    c.lineTo(view.width, lane.top + lane.height - 0.5);
    c.stroke();
  }
  const end = view.x(store.duration);
  if (store.hasAudio && end < view.width) {
    c.fillStyle = ink.panel;
    c.globalAlpha = 0.7;
    c.fillRect(end, 0, view.width - end, view.height);
    c.globalAlpha = 1;
  }
}
