/** What lies over the lanes: cursor, chosen segment, loop region, points of the envelope, what is being dragged. */

import { store } from "../store.js";
import { HEADER, intensityY } from "./draw.js";
import { ink } from "./ink.js";
import { view } from "./view.js";

/** @typedef {CanvasRenderingContext2D} Context */

/** Pixels between points of the envelope below which they are not shown, for the whole window. */
const POINTS_APART = 9;

/** What the pointer is doing, for drawing; `pointer.js` fills it. */
export const gesture = {
  /** @type {number | null} where the pointer is, seconds */
  hover: null,
  /** @type {number} index of the edge under the pointer, or -1 */
  edge: -1,
  /** @type {[number, number][] | null} intensity that is being drawn or dragged */
  intensity: null,
  /** @type {number | null} time of a pause that is snapped to */
  snapped: null,
  /** @type {number} index of the envelope's point under the pointer, or -1 */
  point: -1,
  /** whether the pointer is over the intensity */
  overIntensity: false,
};

/** @returns {[number, number][]} points of the envelope in the window, or none where they are too many */
export function visiblePoints() {
  const points = (store.document?.envelope ?? []).filter(([t]) => t >= view.start && t <= view.end);
  return points.length * POINTS_APART > view.width ? [] : points;
}

/** @param {Context} c */
function drawRegion(c) {
  if (!store.region) return;
  const [x, wide] = [view.x(store.region.start), (store.region.end - store.region.start) * view.scale];
  const ruler = view.lane("ruler");
  c.fillStyle = ink["accent-text"];
  c.globalAlpha = store.loop ? 0.1 : 0.05;
  c.fillRect(x, ruler.height, wide, view.height);
  c.globalAlpha = store.loop ? 1 : 0.45;
  c.fillRect(x, ruler.top, wide, 4);
  c.fillRect(x, ruler.top, 1, view.height);
  c.fillRect(x + wide - 1, ruler.top, 1, view.height);
  c.globalAlpha = 1;
}

/** @param {Context} c */
function drawChosen(c) {
  const segment = store.segments[store.selected];
  const lane = view.lane("emotion");
  if (!segment || !lane) return;
  const [x, right] = [view.x(segment.start), view.x(segment.end)];
  c.strokeStyle = ink.text;
  c.lineWidth = 2;
  c.beginPath();
  c.roundRect(x + 1, lane.top + 2, Math.max(right - x - 2, 2), lane.height - 4, 3);
  c.stroke();
}

/** @param {Context} c */
function drawEdge(c) {
  if (gesture.edge < 0) return;
  const segment = store.segments[gesture.edge];
  const lane = view.lane("emotion");
  if (!segment || !lane) return;
  const x = view.x(segment.end);
  c.fillStyle = ink.text;
  c.beginPath();
  c.roundRect(x - 2, lane.top + HEADER, 4, lane.height - HEADER - 4, 2);
  c.fill();
}

/** @param {Context} c */
function drawIntensity(c) {
  const lane = view.lane("intensity");
  if (!lane) return;
  if (gesture.intensity?.length) {
    c.strokeStyle = ink["accent-text"];
    c.lineWidth = 2;
    c.beginPath();
    for (const [t, v] of gesture.intensity) c.lineTo(view.x(t), intensityY(lane, v));
    c.stroke();
  }
  if (store.tool !== "select" || (!gesture.overIntensity && gesture.intensity === null)) return;
  visiblePoints().forEach(([t, v], i) => {
    c.beginPath();
    c.arc(view.x(t), intensityY(lane, v), i === gesture.point ? 4.5 : 3, 0, 2 * Math.PI);
    c.fillStyle = i === gesture.point ? ink["accent-text"] : ink.sunk;
    c.strokeStyle = ink.curve;
    c.lineWidth = 1.25;
    c.fill();
    c.stroke();
  });
}

/** @param {Context} c */
function drawLines(c) {
  if (gesture.snapped !== null) {
    c.strokeStyle = ink["accent-text"];
    c.setLineDash([3, 3]);
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(Math.round(view.x(gesture.snapped)) + 0.5, 0);
    c.lineTo(Math.round(view.x(gesture.snapped)) + 0.5, view.height);
    c.stroke();
    c.setLineDash([]);
  }
  if (gesture.hover !== null) {
    c.fillStyle = ink.text;
    c.globalAlpha = 0.22;
    c.fillRect(Math.round(view.x(gesture.hover)), 0, 1, view.height);
    c.globalAlpha = 1;
  }
}

/** @param {Context} c */
export function drawOverlay(c) {
  c.clearRect(0, 0, view.width, view.height);
  if (!store.hasAudio) return;
  drawRegion(c);
  drawChosen(c);
  drawEdge(c);
  drawIntensity(c);
  drawLines(c);
}
