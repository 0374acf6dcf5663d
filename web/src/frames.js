/** Frames of an animation: the values at a time, and what weighs each morph target of a mesh. */

import { clip } from "./filters.js";

export { FrameQueue } from "./frame_queue.js";

/**
 * @typedef {object} Frame
 * @property {number} time seconds
 * @property {Float32Array} weights of ARKit's 52 shapes
 * @property {Float32Array} tongue of the tongue's three places of articulation
 * @property {Float32Array} head rotation vector, radians
 * @property {string} emotion
 * @property {number} intensity
 */

/**
 * @typedef {object} Corrective a target that corrects what others do together
 * @property {string} name
 * @property {string[]} sources one, two or more shapes
 * @property {number} gain
 * @property {boolean} beyond whether it corrects what the first source has more than the second
 */

/** @param {number} seconds of sound @param {number} fps @returns {number} video frames that cover them; at least one */
export const framesOf = (seconds, fps) => Math.max(1, Math.ceil(seconds * fps - 1e-6));

/** @param {{fps: number, weights: Float32Array, names: string[]}} animation @returns {number} */
export const frameCount = (animation) => animation.weights.length / animation.names.length;

/** @param {{fps: number, weights: Float32Array, names: string[]}} animation @returns {number} seconds, to the end of the last frame */
export const duration = (animation) => frameCount(animation) / animation.fps;

/** @param {number} fps @returns {number} frames a second, which are more than none and not endlessly many */
export function checkedRate(fps) {
  if (!(fps > 0 && fps < Infinity)) throw new RangeError(`fps: ${fps} is no number of frames a second`);
  return fps;
}

/**
 * Rows of a table at other times, linear between its rows, held at both ends.
 * @param {Float32Array} table rows of `width` numbers, `rate` rows a second from 0 s on
 * @param {number} width @param {number} rate
 * @param {number} time seconds
 * @param {Float32Array} [out] of `width` numbers
 * @returns {Float32Array}
 */
export function rowAt(table, width, rate, time, out = new Float32Array(width)) {
  const last = table.length / width - 1;
  const place = clip(time * rate, 0, last);
  const low = Math.max(Math.min(Math.floor(place), last - 1), 0);
  const high = Math.min(low + 1, last);
  const share = place - low;
  for (let k = 0; k < width; k++) out[k] = (1 - share) * table[low * width + k] + share * table[high * width + k];
  return out;
}

/**
 * The segment of a track at a time, `null` where there is none.
 * @param {{segments: {start: number, end: number, label: string}[]}} track @param {number} time
 */
export const segmentAt = (track, time) => track.segments.find((segment) => time >= segment.start && time < segment.end) ?? null;

/**
 * @param {import("./sedtalker.js").Animation} animation @param {number} time seconds
 * @returns {Frame} of an animation at any time
 */
export function frameAt(animation, time) {
  const { fps, names, tongueNames, track } = animation;
  const intensity = track.intensity.length ? rowAt(track.intensity, 1, track.rate, time - 0.5 / track.rate)[0] : 0;
  return {
    time,
    weights: rowAt(animation.weights, names.length, fps, time),
    tongue: rowAt(animation.tongue, tongueNames.length, fps, time),
    head: rowAt(animation.head, 3, fps, time),
    emotion: segmentAt(track, time)?.label ?? "",
    intensity,
  };
}

/** What weighs the morph targets of a mesh, by their names. */
export class TargetWeights {
  /**
   * @param {string[]} targets names of the mesh's morph targets, in their order
   * @param {string[]} names of the ARKit shapes
   * @param {string[]} tongueNames
   * @param {Corrective[]} [correctives] of the mesh, by `mesh.extras.correctives` of its GLB
   */
  constructor(targets, names, tongueNames, correctives = []) {
    this.targets = targets;
    const shapes = [...names, ...tongueNames];
    /** columns of [weights, tongue]; −1: driven by nothing */
    this.columns = Int32Array.from(targets, (target) => shapes.indexOf(target));
    this.count = names.length;
    const known = new Map(correctives.map((corrective) => [corrective.name, corrective]));
    /** @type {{row: number, gain: number, beyond: boolean, columns: number[]}[]} */
    this.correctives = [];
    targets.forEach((target, row) => {
      const corrective = known.get(target);
      const columns = corrective?.sources.map((source) => shapes.indexOf(source)) ?? [];
      if (corrective && !columns.includes(-1)) this.correctives.push({ row, columns, gain: corrective.gain, beyond: corrective.beyond });
    });
  }

  /** How many of the targets speech moves. */
  get driven() {
    return this.columns.reduce((sum, column) => sum + Number(column >= 0), 0);
  }

  /**
   * @param {ArrayLike<number>} weights of the ARKit shapes @param {ArrayLike<number>} tongue
   * @param {{[index: number]: number}} out a weight for each target
   */
  apply(weights, tongue, out) {
    const value = (/** @type {number} */ column) => (column < this.count ? weights[column] : tongue[column - this.count]);
    for (let row = 0; row < this.columns.length; row++) if (this.columns[row] >= 0) out[row] = value(this.columns[row]);
    for (const { row, columns, gain, beyond } of this.correctives) {
      const values = columns.map((column) => clip(value(column), 0, 1));
      if (beyond) out[row] = gain * Math.max(values[0] - values[1], 0);
      else if (values.length === 1) out[row] = gain * 4 * values[0] * (1 - values[0]);
      else out[row] = gain * values.reduce((product, x) => product * x, 1);
    }
  }
}

/**
 * A rotation vector as a quaternion x, y, z, w.
 * @param {ArrayLike<number>} vector radians @returns {[number, number, number, number]}
 */
export function quaternionOf(vector) {
  const [x, y, z] = [vector[0], vector[1], vector[2]];
  const angle = Math.hypot(x, y, z);
  const share = angle > 1e-9 ? Math.sin(angle / 2) / angle : 0.5;
  return [x * share, y * share, z * share, Math.cos(angle / 2)];
}
