/** Sound at another rate, block by block: a low-pass of windowed sincs (Smith, "Digital Audio Resampling"). */

/** Zero crossings of the sinc at each side. */
const CROSSINGS = 16;
/** Share of the lower rate's band that passes. */
const PASSED = 0.94;
/** Steps of the table between two zero crossings; values between are interpolated. */
const STEPS = 512;

/** One side of the windowed sinc, from its middle to its end. */
const TABLE = Float64Array.from({ length: CROSSINGS * STEPS + 2 }, (_, i) => {
  const x = i / STEPS;
  if (x >= CROSSINGS) return 0;
  const window = 0.42 + 0.5 * Math.cos((Math.PI * x) / CROSSINGS) + 0.08 * Math.cos((2 * Math.PI * x) / CROSSINGS);
  return window * (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
});

/** Resamples a stream of mono blocks; sound at the wanted rate passes as it is. */
export class Resampler {
  /** @param {number} from @param {number} to samples a second */
  constructor(from, to) {
    this.step = from / to;
    /** the sinc's scale: below 1 where the rate falls */
    this.scale = PASSED * Math.min(1, to / from);
    this.reach = Math.ceil(CROSSINGS / this.scale);
    this.same = from === to;
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
    const end = this.first + samples.length;
    const count = Math.max(Math.floor((end - 1 - this.reach) / this.step) + 1 - this.made, 0);
    const out = new Float32Array(count);
    for (let k = 0; k < count; k++) out[k] = this.#at(samples, (this.made + k) * this.step);
    this.made += count;
    const needed = Math.max(Math.floor(this.made * this.step) - this.reach, this.first);
    this.kept = samples.slice(needed - this.first);
    this.first = needed;
    return out;
  }

  /** @returns {Float32Array} the rest, silence behind it */
  flush() {
    return this.same ? new Float32Array(0) : this.push(new Float32Array(this.reach));
  }

  /** @param {Float32Array} samples from number `first` on @param {number} time in samples of the stream */
  #at(samples, time) {
    const [from, to] = [Math.ceil(time - this.reach), Math.floor(time + this.reach)];
    let sum = 0;
    for (let n = from; n <= to; n++) {
      const place = Math.abs(n - time) * this.scale * STEPS;
      const low = Math.floor(place);
      if (low >= CROSSINGS * STEPS) continue;
      const weight = TABLE[low] + (place - low) * (TABLE[low + 1] - TABLE[low]);
      sum += weight * (samples[n - this.first] ?? 0);
    }
    return sum * this.scale;
  }
}
