/**
 * Distributions of levels and mean spectra of sound that has left the buffer of a stream, in bounded memory.
 *
 * Levels are natural logs and are kept as they would be without any gain, so that a later gain is an addition.
 */

import { clip, sortedQuantile } from "./filters.js";

const BLOCK = 1024;

/** Quantiles of any number of levels. */
export class LevelHistogram {
  /** @param {Record<string, number>} constants ``constants.speech_stream`` */
  constructor({ lowest, highest, width }) {
    this.lowest = lowest;
    this.width = width;
    this.blocks = new Float64Array(Math.round((highest - lowest) / width / BLOCK));
    /** By block, the counts of its bins; only of blocks that have had levels. */
    this.counts = new Map();
    this.length = 0;
  }

  /** Count levels so many times; minus once takes them out again. */
  add(levels, times = 1) {
    for (let i = 0; i < levels.length; i++) {
      const bin = clip(Math.trunc((levels[i] - this.lowest) / this.width), 0, this.blocks.length * BLOCK - 1);
      const block = Math.floor(bin / BLOCK);
      if (!this.counts.has(block)) this.counts.set(block, new Int32Array(BLOCK));
      this.counts.get(block)[bin % BLOCK] += times;
      this.blocks[block] += times;
    }
    this.length += times * levels.length;
  }

  /** The levels on either side of a quantile, and how far it is from the first to the second. */
  neighbours(share) {
    const rank = share * (this.length - 1);
    return [this.#level(Math.floor(rank)), this.#level(Math.ceil(rank)), rank - Math.floor(rank)];
  }

  /** The level with so many below it. */
  #level(rank) {
    let below = 0;
    let block = 0;
    while (below + this.blocks[block] <= rank) below += this.blocks[block++];
    const counts = this.counts.get(block);
    let bin = 0;
    while (below + counts[bin] <= rank) below += counts[bin++];
    return this.lowest + (block * BLOCK + bin + 0.5) * this.width;
  }
}

/**
 * Quantile of a history and recent levels together, exact while there is no history.
 * @param {LevelHistogram} history
 * @param {Float64Array} recent (N)
 * @param {number} share
 * @param {(level: number) => number} scale makes values of levels, between which is interpolated
 * @param {ArrayLike<number>} [sound] (N) the recent ones that count, unless there are no others
 */
export function quantileWith(history, recent, share, scale, sound) {
  const counted = sound ? recent.filter((_, i) => sound[i]) : recent;
  if (!history.length) return sortedQuantile((counted.length ? counted : recent).map(scale).sort(), share);
  history.add(counted);
  const [low, high, weight] = history.neighbours(share);
  history.add(counted, -1);
  return (1 - weight) * scale(low) + weight * scale(high);
}

/** A level log(g² P + floor) as log P; on the floor, far below it. */
export function withoutGain(level, floor, gain) {
  return Math.log(Math.max(Math.exp(level) - floor, 1e-6 * floor)) - 2 * Math.log(gain);
}

/** A level log P as log(g² P + floor). */
export function withGain(level, floor, gain) {
  return Math.log(gain * gain * Math.exp(level) + floor);
}

/**
 * Sums of log-mels by the level of their frames, so that the mean over all frames above any level is at hand.
 *
 * How a log-mel moves with the gain depends on its distance from the floor: sums are kept for a grid of gains, and
 * interpolated between four of them.
 */
export class BandHistory {
  /**
   * @param {number} bands
   * @param {number} floor
   * @param {number} largestGain
   * @param {Record<string, number>} constants ``constants.speech_stream``
   */
  constructor(bands, floor, largestGain, { lowest, highest, level_width: width, gain_step: step }) {
    this.bands = bands;
    this.floor = floor;
    this.lowest = lowest;
    this.width = width;
    this.step = step;
    const reach = Math.ceil((2 * Math.log(largestGain)) / step) + 2;
    this.grid = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => step * (i - reach));
    this.factors = this.grid.map(Math.exp);
    this.counts = new Float64Array(Math.round((highest - lowest) / width));
    /** By bin, (G, bands) sums; only of bins that have frames. */
    this.sums = new Map();
    this.low = this.counts.length;
    this.high = 0;
  }

  /**
   * @param {Float32Array} power (N, bands) mel powers without gain
   * @param {Float64Array} level (N) levels without gain
   */
  add(power, level) {
    const { bands, factors, floor } = this;
    for (let i = 0; i < level.length; i++) {
      const bin = clip(Math.trunc((level[i] - this.lowest) / this.width), 0, this.counts.length - 1);
      this.counts[bin] += 1;
      if (!this.sums.has(bin)) this.sums.set(bin, new Float32Array(factors.length * bands));
      const sums = this.sums.get(bin);
      for (let g = 0; g < factors.length; g++) {
        for (let k = 0; k < bands; k++) sums[g * bands + k] += Math.log(factors[g] * power[i * bands + k] + floor);
      }
      this.low = Math.min(this.low, bin);
      this.high = Math.max(this.high, bin + 1);
    }
  }

  /**
   * Number of frames above a level, and the sum of their log-mels under a gain.
   * @param {number} level without gain
   * @param {number} gain
   * @returns {{count: number, total: Float64Array}}
   */
  above(level, gain) {
    const { bands } = this;
    const position = clip((level - this.lowest) / this.width, this.low, Math.max(this.high, this.low));
    const whole = Math.ceil(position);
    const at = (2 * Math.log(gain) - this.grid[0]) / this.step;
    const first = Math.trunc(at) - 1;
    const weights = cubic(at - first);
    const total = new Float64Array(bands);
    let count = 0;
    const add = (bin, share) => {
      const sums = this.sums.get(bin);
      if (!sums) return;
      count += share * this.counts[bin];
      for (let n = 0; n < 4; n++) {
        const from = (first + n) * bands;
        const weight = share * weights[n];
        for (let k = 0; k < bands; k++) total[k] += weight * sums[from + k];
      }
    };
    for (let bin = whole; bin < this.high; bin++) add(bin, 1);
    if (whole > position) add(whole - 1, whole - position);
    return { count, total };
  }
}

/** Weights of Lagrange's interpolation between values at 0, 1, 2 and 3. */
function cubic(at) {
  const nodes = [0, 1, 2, 3];
  return nodes.map((n) => nodes.reduce((product, m) => (m === n ? product : (product * (at - m)) / (n - m)), 1));
}
