/**
 * Sound at another rate, block by block: a low-pass of sincs under Kaiser's window, as steep as the one by which Python
 * reads files (soxr, "HQ").
 */

/** Shares of the lower rate's band: up to the first all passes, from the second on nothing. */
const [PASSED, STOPPED] = [0.913, 1];
/** How far down what is beyond is, decibels. */
const ATTENUATION = 120;
/** Samples of the lower rate at each side of the middle (Kaiser's formula). */
const HALF = Math.ceil((ATTENUATION - 7.95) / (14.36 * (STOPPED - PASSED)));
const BETA = 0.1102 * (ATTENUATION - 8.7);
/** Weights are kept for so many places between two samples; those of odder rates lie between the nearest two. */
const MOST_KEPT = 512;

/** The modified Bessel function of order zero. @param {number} x */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

/** Steps of the table between two samples; values between are interpolated. */
const STEPS = 512;

/** One side of the low-pass, from its middle to its end. */
const TABLE = Float64Array.from({ length: HALF * STEPS + 2 }, (_, i) => {
  const x = i / STEPS;
  if (x >= HALF) return 0;
  const band = (PASSED + STOPPED) / 2;
  const turns = Math.PI * band * x;
  return band * (turns ? Math.sin(turns) / turns : 1) * (bessel(BETA * Math.sqrt(1 - (x / HALF) ** 2)) / bessel(BETA));
});

/** @param {number} x samples of the lower rate from the middle @returns {number} the low-pass there */
function lowPass(x) {
  const place = Math.abs(x) * STEPS;
  const low = Math.floor(place);
  return low >= HALF * STEPS ? 0 : TABLE[low] + (place - low) * (TABLE[low + 1] - TABLE[low]);
}

/** @param {number} a @param {number} b @returns {number} the greatest number that divides both */
const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/** Resamples a stream of mono blocks; sound at the wanted rate passes as it is. */
export class Resampler {
  /** @param {number} from @param {number} to whole numbers of samples a second */
  constructor(from, to) {
    this.same = from === to;
    [from, to] = [Math.round(from), Math.round(to)];
    const common = divisor(from, to);
    /** sample `k` that is made lies at `k * down / up` */
    [this.down, this.up] = [from / common, to / common];
    /** the low-pass is as wide as the lower rate asks */
    this.scale = Math.min(1, to / from);
    this.reach = Math.ceil(HALF / this.scale);
    /** places between two samples whose weights are kept */
    this.places = Math.min(this.up, MOST_KEPT);
    /** @type {Float64Array[]} weights of the samples around each place, made when they are needed */
    this.weights = [];
    /** samples that coming ones still need, the first of them number `first` of the stream */
    this.kept = new Float32Array(this.reach);
    this.first = -this.reach;
    this.made = 0;
  }

  /** @param {Float32Array} block @returns {Float32Array} what can be said so far: the filter waits for `reach` samples */
  push(block) {
    if (this.same) return block;
    const samples = new Float32Array(this.kept.length + block.length);
    samples.set(this.kept);
    samples.set(block, this.kept.length);
    const last = this.first + samples.length - 1 - this.reach;
    const count = Math.max(Math.floor((last * this.up) / this.down) + 1 - this.made, 0);
    const out = new Float32Array(count);
    for (let k = 0; k < count; k++) {
      const sample = (this.made + k) * this.down;
      const place = ((sample % this.up) * this.places) / this.up;
      const low = Math.floor(place);
      const from = Math.floor(sample / this.up) - this.reach - this.first;
      out[k] = weighted(samples, from, this.#weightsAt(low));
      if (place > low) out[k] += (place - low) * (weighted(samples, from, this.#weightsAt(low + 1)) - out[k]);
    }
    this.made += count;
    const needed = Math.max(Math.floor((this.made * this.down) / this.up) - this.reach, this.first);
    this.kept = samples.slice(needed - this.first);
    this.first = needed;
    return out;
  }

  /** @returns {Float32Array} the rest, up to a sample after the last one, silence behind it */
  flush() {
    return this.same ? new Float32Array(0) : this.push(new Float32Array(this.reach + 1));
  }

  /** @param {number} place between two samples, of `places` @returns {Float64Array} from `reach` samples before to `reach` after */
  #weightsAt(place) {
    return (this.weights[place] ??= Float64Array.from({ length: 2 * this.reach + 1 }, (_, n) => this.scale * lowPass(this.scale * (n - this.reach - place / this.places))));
  }
}

/** @param {Float32Array} samples @param {number} from @param {Float64Array} weights of the samples from there on @returns {number} their sum */
function weighted(samples, from, weights) {
  const end = Math.min(weights.length, samples.length - from);
  let sum = 0;
  for (let n = 0; n < end; n++) sum += weights[n] * samples[from + n];
  return sum;
}
