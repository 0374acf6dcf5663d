/**
 * What an edit will look like, while it is dragged: the server's rules for segments, in short.
 * The result is only drawn; the server's answer replaces it.
 */

import { clamp } from "../dom.js";

/** @typedef {import("../store.js").Segment} Segment */

/** Shortest segment, seconds; the server has the same. */
export const SHORTEST = 0.02;

/**
 * @param {Segment[]} segments @param {number} index of the edge: between it and the next @param {number} time
 * @returns {{segments: Segment[], time: number}} and where the edge came to stand
 */
export function moveEdge(segments, index, time) {
  const [left, right] = [segments[index], segments[index + 1]];
  const placed = clamp(time, left.start + SHORTEST, right.end - SHORTEST);
  const moved = segments.slice();
  moved[index] = { ...left, end: placed };
  moved[index + 1] = { ...right, start: placed };
  return { segments: moved, time: placed };
}

/**
 * @param {Segment[]} segments @param {number} index @param {number} delta seconds; its neighbours give way
 * @returns {{segments: Segment[], delta: number}} and how far it went
 */
export function moveSegment(segments, index, delta) {
  const [before, own, after] = [segments[index - 1], segments[index], segments[index + 1]];
  const least = before ? before.start + SHORTEST - own.start : 0;
  const most = after ? after.end - SHORTEST - own.end : 0;
  const placed = clamp(delta, least, most);
  const moved = segments.slice();
  moved[index] = { ...own, start: own.start + placed, end: own.end + placed };
  if (before) moved[index - 1] = { ...before, end: before.end + placed };
  if (after) moved[index + 1] = { ...after, start: after.start + placed };
  return { segments: moved, delta: placed };
}

/**
 * Points of a curve without those that a straight line gives as well (Ramer 1972, Douglas & Peucker 1973).
 * @param {[number, number][]} points by time @param {number} tolerance of the value
 * @returns {[number, number][]}
 */
export function simplify(points, tolerance) {
  if (points.length < 3) return points.slice();
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const stack = [[0, points.length - 1]];
  while (stack.length) {
    const [first, last] = stack.pop();
    const [t0, v0] = points[first];
    const slope = (points[last][1] - v0) / Math.max(points[last][0] - t0, 1e-9);
    let worst = tolerance;
    let at = -1;
    for (let i = first + 1; i < last; i++) {
      const off = Math.abs(points[i][1] - (v0 + slope * (points[i][0] - t0)));
      if (off > worst) [worst, at] = [off, i];
    }
    if (at < 0) continue;
    keep[at] = 1;
    stack.push([first, at], [at, last]);
  }
  return points.filter((_, i) => keep[i]);
}

/**
 * A stroke drawn by hand, in any direction, as a curve over time: where it went twice, the later counts.
 * @param {[number, number][]} stroke in the order of drawing
 * @returns {[number, number][]}
 */
export function strokeToCurve(stroke) {
  /** @type {[number, number][]} */
  let curve = [];
  for (let i = 1; i < stroke.length; i++) {
    const [a, b] = [stroke[i - 1], stroke[i]];
    const [low, high] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])];
    curve = curve.filter(([t]) => t < low || t > high);
    curve.push(a, b);
  }
  if (stroke.length === 1) curve = stroke.slice();
  curve.sort((a, b) => a[0] - b[0]);
  return curve.filter(([t], i) => i === 0 || t - curve[i - 1][0] > 1e-4);
}
