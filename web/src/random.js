/** Random numbers from a seed: the same seed gives the same performance, in every browser. */

/** A generator (sfc32, Chris Doty-Humphrey) and what is drawn from it. */
export class Random {
  /** @param {...number} seeds whole numbers, below 2^53 */
  constructor(...seeds) {
    const words = seeds.flatMap((seed) => [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
    this.state = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
    words.forEach((word, i) => {
      this.state[i % 3] ^= Math.imul(word + i + 1, 0x85ebca6b);
      for (let k = 0; k < 12; k++) this.#word();
    });
  }

  #word() {
    const [a, b, c, count] = this.state;
    const sum = (a + b + count) | 0;
    this.state = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (count + 1) | 0];
    return sum >>> 0;
  }

  /** In [0, 1). */
  random() {
    return (this.#word() + (this.#word() >>> 11) / 2 ** 21) / 2 ** 32;
  }

  /** Even between two bounds. */
  uniform(low, high) {
    return low + (high - low) * this.random();
  }

  /** Normal (Box and Muller 1958). */
  normal(mean = 0, deviation = 1) {
    const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.random());
  }

  /** Gamma of a shape of 1 and more (Marsaglia and Tsang 2000). */
  gamma(shape, scale) {
    const d = shape - 1 / 3;
    for (;;) {
      const x = this.normal();
      const v = (1 + x / Math.sqrt(9 * d)) ** 3;
      if (v > 0 && Math.log(1 - this.random()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v * scale;
    }
  }

  /** -1 or 1. */
  sign() {
    return this.random() < 0.5 ? -1 : 1;
  }
}

/**
 * One generator for each kind of motion, so that leaving one out leaves the others.
 * @param {number} seed another one is another performance
 * @param {Float32Array} [recording] other recordings do not blink at the same second; none in a stream
 * @returns {{blinks: Random, gaze: Random, head: Random, speech: Random}}
 */
export function idleGenerators(seed, recording) {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed: ${seed} is no whole number`);
  const more = recording ? [hashOf(recording)] : [];
  const [blinks, gaze, head, speech] = [0, 1, 2, 3].map((kind) => new Random(seed, kind, ...more));
  return { blinks, gaze, head, speech };
}

/** A hash of samples at 16 bits (FNV-1a). */
function hashOf(samples) {
  let hash = 0x811c9dc5;
  for (const sample of samples) hash = Math.imul(hash ^ (Math.round(sample * 32767) & 0xffff), 0x01000193);
  return hash >>> 0;
}
