/**
 * The Fourier transform of real signals whose length is twice a power of four: 512 for log-mels, 2048 for pitch.
 *
 * A signal of N values goes through one complex transform of N / 2 (Stockham's, radix 4: no reordering).
 */

/** Transforms of one length. */
export class RealTransform {
  /** @param {number} size N: 8, 32, 128, 512, 2048 … */
  constructor(size) {
    const half = size / 2;
    if (!Number.isInteger(Math.log2(half) / 2)) throw new RangeError(`no transform of ${size} values`);
    this.size = size;
    this.half = half;
    this.cos = Float64Array.from({ length: half }, (_, k) => Math.cos((2 * Math.PI * k) / half));
    this.sin = Float64Array.from({ length: half }, (_, k) => Math.sin((2 * Math.PI * k) / half));
    this.wideCos = Float64Array.from({ length: half + 1 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.wideSin = Float64Array.from({ length: half + 1 }, (_, k) => Math.sin((2 * Math.PI * k) / size));
    this.re = new Float64Array(half);
    this.im = new Float64Array(half);
    this.spareRe = new Float64Array(half);
    this.spareIm = new Float64Array(half);
  }

  /**
   * Power |X|² of the bins 0 … N / 2 of a signal; what is missing of N values is zero.
   * @param {ArrayLike<number>} signal up to N values
   * @param {Float64Array} power (N / 2 + 1) takes the result
   */
  power(signal, power) {
    const { half, re, im, wideCos, wideSin } = this;
    const whole = signal.length >> 1;
    for (let k = 0; k < whole; k++) {
      re[k] = signal[2 * k];
      im[k] = signal[2 * k + 1];
    }
    re.fill(0, whole);
    im.fill(0, whole);
    if (signal.length % 2) re[whole] = signal[signal.length - 1];
    const [a, b] = this.#complex();
    for (let k = 0; k <= half; k++) {
      const here = k === half ? 0 : k;
      const there = k === 0 ? 0 : half - k;
      const evenRe = 0.5 * (a[here] + a[there]);
      const evenIm = 0.5 * (b[here] - b[there]);
      const oddRe = 0.5 * (b[here] + b[there]);
      const oddIm = 0.5 * (a[there] - a[here]);
      const real = evenRe + wideCos[k] * oddRe + wideSin[k] * oddIm;
      const imaginary = evenIm + wideCos[k] * oddIm - wideSin[k] * oddRe;
      power[k] = real * real + imaginary * imaginary;
    }
  }

  /**
   * The circular autocorrelation of a signal, from its power: the inverse transform of a real, even spectrum.
   * @param {Float64Array} power (N / 2 + 1)
   * @param {Float64Array} correlation takes as many lags as it is long, up to N
   */
  correlation(power, correlation) {
    const { half, re, im, wideCos, wideSin } = this;
    for (let k = 0; k < half; k++) {
      const even = 0.5 * (power[k] + power[half - k]);
      const odd = 0.5 * (power[k] - power[half - k]);
      re[k] = even - wideSin[k] * odd;
      im[k] = -wideCos[k] * odd; // conjugated, so that the same transform goes back
    }
    const [a, b] = this.#complex();
    for (let lag = 0; lag < correlation.length; lag++) {
      correlation[lag] = (lag % 2 ? -b[lag >> 1] : a[lag >> 1]) / half;
    }
  }

  /** The complex transform of ``re`` and ``im``; gives the two arrays that hold the result. */
  #complex() {
    let [x, y, u, v] = [this.re, this.im, this.spareRe, this.spareIm];
    const { cos, sin, half } = this;
    for (let count = half, stride = 1; count > 1; count >>= 2, stride <<= 2) {
      const quarter = count >> 2;
      for (let p = 0; p < quarter; p++) {
        const one = p * stride;
        const c1 = cos[one], s1 = sin[one], c2 = cos[2 * one], s2 = sin[2 * one], c3 = cos[3 * one], s3 = sin[3 * one];
        for (let q = 0; q < stride; q++) {
          const from = q + stride * p;
          const step = stride * quarter;
          const ar = x[from], ai = y[from], br = x[from + step], bi = y[from + step];
          const cr = x[from + 2 * step], ci = y[from + 2 * step], dr = x[from + 3 * step], di = y[from + 3 * step];
          const sumR = ar + cr, sumI = ai + ci, apartR = ar - cr, apartI = ai - ci;
          const otherR = br + dr, otherI = bi + di, turnedR = di - bi, turnedI = br - dr;
          const to = q + stride * 4 * p;
          u[to] = sumR + otherR;
          v[to] = sumI + otherI;
          const r1 = apartR - turnedR, i1 = apartI - turnedI;
          u[to + stride] = c1 * r1 + s1 * i1;
          v[to + stride] = c1 * i1 - s1 * r1;
          const r2 = sumR - otherR, i2 = sumI - otherI;
          u[to + 2 * stride] = c2 * r2 + s2 * i2;
          v[to + 2 * stride] = c2 * i2 - s2 * r2;
          const r3 = apartR + turnedR, i3 = apartI + turnedI;
          u[to + 3 * stride] = c3 * r3 + s3 * i3;
          v[to + 3 * stride] = c3 * i3 - s3 * r3;
        }
      }
      [x, y, u, v] = [u, v, x, y];
    }
    return [x, y];
  }
}

/**
 * Hann's window as torch has it: periodic.
 * @param {number} length
 */
export function hann(length) {
  return Float64Array.from({ length }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length));
}
