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
/** Weights between two samples are kept for so many places; those of odder rates are computed each time. */
const MOST_KEPT = 1024;

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
    /** @type {Map<number, Float64Array>} weights of the samples around a place between two of them */
    this.weights = new Map();
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
      const place = (this.made + k) * this.down;
      const weights = this.#weightsAt(place % this.up);
      const from = Math.floor(place / this.up) - this.reach - this.first;
      const end = Math.min(weights.length, samples.length - from);
      let sum = 0;
      for (let n = 0; n < end; n++) sum += weights[n] * samples[from + n];
      out[k] = sum;
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

  /** @param {number} place between two samples, of `up` places @returns {Float64Array} from `reach` samples before to `reach` after */
  #weightsAt(place) {
    const known = this.weights.get(place);
    if (known) return known;
    const made = new Float64Array(2 * this.reach + 1);
    for (let n = 0; n < made.length; n++) made[n] = this.scale * lowPass(this.scale * (n - this.reach - place / this.up));
    if (this.up <= MOST_KEPT) this.weights.set(place, made);
    return made;
  }
}
