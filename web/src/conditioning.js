/** What of an emotion reaches the face, and how the regions above the mouth follow. */

import { clip } from "./filters.js";

/**
 * How far the face departs from plain talking, (T) from 0, for neutral speech, to 1.
 * @param {Float32Array} posterior (T, C)
 * @param {Float32Array} intensity (T)
 * @param {Record<string, any>} constants ``constants.conditioning``
 */
export function emotional(posterior, intensity, { emotional_slope: slope, neutral }) {
  const classes = posterior.length / Math.max(1, intensity.length);
  return intensity.map((strength, i) => Math.tanh(slope * strength * (1 - posterior[i * classes + neutral])));
}

/**
 * Posterior (T, C) and intensity (T) at 50 frames a second, steps spread over .32 s; all else as it is.
 * @param {Float32Array} posterior
 * @param {Float32Array} intensity
 * @param {Record<string, any>} constants ``constants.conditioning``
 */
export function easeCuts(posterior, intensity, { steepest, half_onset: half }) {
  const count = intensity.length;
  const classes = posterior.length / Math.max(1, count);
  const near = new Uint8Array(count);
  for (let i = 0; i + 1 < count; i++) {
    let most = 0;
    for (let c = 0; c < classes; c++) {
      const [here, next] = [i, i + 1].map((frame) => posterior[frame * classes + c] * intensity[frame]);
      most = Math.max(most, Math.abs(next - here));
    }
    if (most > steepest) near.fill(1, Math.max(0, i - half + 1), i + half + 1);
  }
  if (!near.includes(1)) return { posterior, intensity };
  const size = 2 * half;
  const window = Float64Array.from({ length: size }, (_, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (k + 1)) / (size + 1)));
  const total = window.reduce((sum, value) => sum + value, 0);
  const smooth = (values, width, column, frame) => {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += window[k] * values[clip(frame - half + k, 0, count - 1) * width + column];
    return sum / total;
  };
  const eased = { posterior: posterior.slice(), intensity: intensity.slice() };
  for (let i = 0; i < count; i++) {
    if (!near[i]) continue;
    const at = (values, width, column) => 0.5 * (smooth(values, width, column, i) + smooth(values, width, column, i + 1));
    for (let c = 0; c < classes; c++) eased.posterior[i * classes + c] = at(posterior, classes, c);
    eased.intensity[i] = at(intensity, 1, 0);
  }
  return eased;
}

/** The upper face at full strength and of its own pace, stretch after stretch; a recording is one stretch. */
export class UpperFace {
  /** @param {Record<string, any>} constants ``constants.upper_face`` */
  constructor(constants) {
    this.constants = constants;
    this.shapes = constants.added[0].length;
    /** What is added to frames that the decoder has not given yet, a row each. */
    this.added = [];
    /** The last frames before their delay, a row of paced columns each; null before the first frame. */
    this.past = null;
    this.shown = null;
  }

  /**
   * The next frames (N, 52).
   * @param {Float32Array} motion (N, 52) as the decoder moves them, in [0, 1]
   * @param {Float32Array} posterior (M, C) of the next frames; those of ``motion`` came with it or before
   * @param {Float32Array} intensity (M) of the same frames
   */
  push(motion, posterior, intensity) {
    const { added: table, columns, delays, up, down, longest_delay: longest } = this.constants;
    const classes = table.length;
    intensity.forEach((strength, i) => {
      const row = new Float64Array(this.shapes);
      for (let c = 0; c < classes; c++) {
        const share = posterior[i * classes + c] * strength;
        for (let k = 0; k < this.shapes; k++) row[k] += share * table[c][k];
      }
      this.added.push(row);
    });
    const made = motion.slice();
    for (let i = 0; i < made.length / this.shapes; i++) {
      const added = this.added.shift();
      const frame = made.subarray(i * this.shapes, (i + 1) * this.shapes);
      for (let k = 0; k < this.shapes; k++) frame[k] = clip(frame[k] + added[k], 0, 1);
      const wanted = columns.map((k) => frame[k]);
      this.past ??= Array.from({ length: longest }, () => wanted);
      this.past.push(wanted);
      const late = delays.map((delay, j) => this.past[longest - delay][j]);
      this.past.shift();
      this.shown ??= late.slice();
      columns.forEach((k, j) => {
        const step = late[j] - this.shown[j];
        this.shown[j] += (step > 0 ? up[j] : down[j]) * step;
        frame[k] = this.shown[j];
      });
    }
    return made;
  }
}
