/** ARKit weights as Epic's Live Link Face app writes them: CSV, 60 frames a second, the columns that `sedtalker` writes. */

import { clip } from "./filters.js";
import { duration, quaternionOf, rowAt } from "./frames.js";
import { LIVE_LINK } from "./tables.js";

/** @param {number} frame @returns {string} `HH:MM:SS:FF.mmm` */
export function timecode(frame) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const seconds = Math.floor(frame / LIVE_LINK.rate);
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}:${two(frame % LIVE_LINK.rate)}.000`;
}

/**
 * Yaw, pitch and roll of the head as the app has them.
 * @param {ArrayLike<number>} head rotation vector, radians @returns {[number, number, number]} radians
 */
export function headAngles(head) {
  const [x, y, z, w] = quaternionOf(head);
  // R = Ry(a) Rx(b) Rz(c), the axes turning with the head.
  const b = Math.asin(clip(-2 * (y * z - w * x), -1, 1));
  const a = Math.atan2(2 * (x * z + w * y), 1 - 2 * (x * x + y * y));
  const c = Math.atan2(2 * (x * y + w * z), 1 - 2 * (x * x + z * z));
  return [-a || 0, b, -c || 0];
}

/**
 * Yaw, pitch and roll of the left and of the right eye.
 * @param {Float32Array} weights of the shapes @param {string[]} names @returns {number[]} six angles, radians
 */
export function eyeAngles(weights, names) {
  const at = (/** @type {string} */ name) => weights[names.indexOf(name)] ?? 0;
  return [
    at("eyeLookInLeft") - at("eyeLookOutLeft"), at("eyeLookDownLeft") - at("eyeLookUpLeft"), 0,
    at("eyeLookOutRight") - at("eyeLookInRight"), at("eyeLookDownRight") - at("eyeLookUpRight"), 0,
  ].map((share) => LIVE_LINK.eyeTurn * share || 0);
}

/**
 * An animation as a Live Link Face CSV. The weights are those of the animation, resampled to 60 frames a second; `sedtalker
 * animate --to arkit` writes the same columns, with what corrects the built-in face's shapes spread over them.
 * @param {import("./sedtalker.js").Animation} animation @returns {string}
 */
export function arkitCsv(animation) {
  const { names, fps } = animation;
  const capital = (/** @type {string} */ name) => name[0].toUpperCase() + name.slice(1);
  const lines = [["Timecode", "BlendShapeCount", ...names.map(capital), ...LIVE_LINK.angles].join(",")];
  const frames = Math.max(Math.round(duration(animation) * LIVE_LINK.rate), 1);
  for (let frame = 0; frame < frames; frame++) {
    const time = frame / LIVE_LINK.rate;
    const weights = rowAt(animation.weights, names.length, fps, time);
    const values = [...weights, ...headAngles(rowAt(animation.head, 3, fps, time)), ...eyeAngles(weights, names)];
    lines.push([timecode(frame), values.length, ...values.map((value) => value.toFixed(10))].join(","));
  }
  return lines.join("\n") + "\n";
}
