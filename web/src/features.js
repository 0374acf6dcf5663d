/**
 * What networks read of sound: log-mels, prosody, where speech is; on one grid of analysis frames every 10 ms.
 *
 * All numbers are those of ``sedtalker.speech.features``, which ``model.json`` holds under ``constants.features``.
 * Arrays are flat: (T, 80) is a Float32Array of 80 T values, frame after frame.
 */

import { clip, movingMaximum, movingMean, quantile } from "./filters.js";
import { RealTransform, hann } from "./fourier.js";

/**
 * A recording before any network.
 * @typedef {object} Analysis
 * @property {number} frames T: analysis frames are 2 T
 * @property {Float32Array} mel (2 T, 80) log-mels at the level of ``levelGain``
 * @property {Float64Array} means (80) of the log-mels of its speech
 * @property {Float32Array} prosody (T, 4): log energy, log f0, voicing, spectral tilt, the mean of each pair
 * @property {Uint8Array} speech (T) whether either of a pair is loud enough to be speech
 */

/** Takes a constant offset out of sound that comes in pieces. */
export class OffsetFilter {
  /** @param {Record<string, any>} constants the section ``features`` */
  constructor({ offset_pole: pole, offset_block: block, motionless }) {
    this.pole = pole;
    this.block = block;
    this.motionless = motionless;
    this.offset = null;
  }

  /**
   * The next samples without it.
   * @param {Float32Array} samples
   * @returns {Float32Array}
   */
  push(samples) {
    const first = samples.subarray(0, this.block);
    this.offset ??= first.length ? first.reduce((sum, sample) => sum + sample, 0) / first.length : null;
    const made = samples.map((sample) => {
      this.offset = this.pole * this.offset + (1 - this.pole) * sample;
      return sample - this.offset;
    });
    for (let from = 0; from + this.block <= samples.length; from += this.block) {
      const block = samples.subarray(from, from + this.block);
      if (Math.max(...block) - Math.min(...block) < this.motionless) made.fill(0, from, from + block.length);
    }
    return made;
  }
}

/** Measures frames of sound by the constants of a model. */
export class Ear {
  /** @param {Record<string, any>} constants the section ``features`` */
  constructor(constants) {
    this.constants = constants;
    this.window = hann(constants.window_length);
    this.transform = new RealTransform(constants.fft_length);
    this.power = new Float64Array(constants.fft_length / 2 + 1);
    this.filters = melFilters(constants);
    this.pitch = new PitchMeter(constants);
    this.cut = new Float64Array(Math.max(constants.window_length, constants.pitch_window));
  }

  /** Analysis frames of so many samples: two for each beginning 20 ms. */
  frameCount(samples) {
    return 2 * Math.ceil(samples / (2 * this.constants.hop_length));
  }

  /**
   * The samples of a frame, centred at (i + 1/2) hops; zeros beyond both ends of the sound.
   * @param {Float32Array} samples
   * @param {number} frame
   * @param {number} length samples of the window
   */
  frame(samples, frame, length) {
    const { hop_length: hop } = this.constants;
    const begin = frame * hop - (length - hop) / 2;
    const cut = this.cut.subarray(0, length);
    for (let i = 0; i < length; i++) {
      const at = begin + i;
      cut[i] = at >= 0 && at < samples.length ? samples[at] : 0;
    }
    return cut;
  }

  /**
   * Power in each mel band of a frame of 25 ms.
   * @param {Float64Array} frame (400); it is changed
   * @param {Float32Array | Float64Array} out takes 80 values
   * @param {number} offset where they begin
   */
  melPower(frame, out, offset) {
    for (let i = 0; i < frame.length; i++) frame[i] *= this.window[i];
    this.transform.power(frame, this.power);
    this.filters.forEach(({ first, weights }, band) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * this.power[first + k];
      out[offset + band] = sum;
    });
  }

  /**
   * Everything about one recording: a constant offset is taken out, and its level fixed over the whole of it, first.
   * @param {Float32Array} sound mono, 16 kHz
   * @returns {Analysis}
   */
  analyse(sound) {
    const c = this.constants;
    const samples = new OffsetFilter(c).push(sound);
    const count = this.frameCount(samples.length);
    const rms = new Float64Array(count);
    for (let i = 0; i < count; i++) rms[i] = meanSquare(this.frame(samples, i, c.window_length)) ** 0.5;
    const gain = gainOf(quantile(recorded(rms, isRecorded(rms, c)), c.loud), c);
    const power = new Float32Array(count * c.mel_bands);
    const tracks = new Float32Array(4 * count);
    const measured = this.pitch.frame();
    for (let i = 0; i < count; i++) {
      this.melPower(this.frame(samples, i, c.window_length), power, i * c.mel_bands);
      this.pitch.measure(this.frame(samples, i, c.pitch_window), measured, 0);
      this.pitch.tracks(measured, 0, gain, tracks, 4 * i);
    }
    const mel = logMel(power, gain, c);
    const mask = speechMask(bandLevel(mel, c.mel_bands), c);
    return {
      frames: count / 2,
      mel,
      means: bandMeans(mel, mask, c.mel_bands),
      prosody: pairMeans(tracks, 4),
      speech: anyOfPairs(mask),
    };
  }
}

/** Energies and the autocorrelation of frames of 50 ms, and the prosody that follows from them under any gain. */
export class PitchMeter {
  /** @param {Record<string, any>} constants the section ``features`` */
  constructor(constants) {
    this.constants = constants;
    const { pitch_window: length, shortest_lag: shortest, longest_lag: longest } = constants;
    const size = 2 * 4 ** Math.ceil(Math.log2(length) / 2); // twice the window at least, so that no lag wraps around
    this.lags = longest - shortest + 1;
    /** Values that are kept of a frame: energy, correlation at lag 0, power below and above 1 kHz, and at the lags. */
    this.width = 4 + this.lags;
    this.window = hann(length);
    this.transform = new RealTransform(size);
    this.power = new Float64Array(size / 2 + 1);
    this.correlation = new Float64Array(longest + 1);
    this.split = Math.floor((1000 * size) / constants.sample_rate);
    this.transform.power(this.window, this.power);
    this.transform.correlation(this.power, this.correlation);
    const own = this.correlation[0];
    this.weight = Float64Array.from({ length: this.lags }, (_, k) => own / this.correlation[shortest + k]);
    this.bias = Float64Array.from({ length: this.lags }, (_, k) => 0.02 * Math.log2((shortest + k) / shortest));
  }

  /** Room for what is kept of one frame. */
  frame() {
    return new Float32Array(this.width);
  }

  /**
   * @param {Float64Array} frame (800); it is changed
   * @param {Float32Array} out takes ``width`` values
   * @param {number} offset where they begin
   */
  measure(frame, out, offset) {
    let mean = 0;
    for (let i = 0; i < frame.length; i++) mean += frame[i];
    mean /= frame.length;
    let energy = 0;
    for (let i = 0; i < frame.length; i++) {
      const value = frame[i] - mean;
      energy += value * value;
      frame[i] = value * this.window[i];
    }
    this.transform.power(frame, this.power);
    this.transform.correlation(this.power, this.correlation);
    let low = 0;
    let high = 0;
    for (let k = 2; k < this.split; k++) low += this.power[k];
    for (let k = this.split; k < this.power.length; k++) high += this.power[k];
    out[offset] = energy / frame.length;
    out[offset + 1] = this.correlation[0];
    out[offset + 2] = low;
    out[offset + 3] = high;
    out.set(this.correlation.subarray(this.constants.shortest_lag), offset + 4);
  }

  /**
   * Prosody of a measured frame as if its samples had been multiplied by a gain.
   * @param {Float32Array} measured
   * @param {number} from where the frame begins in it
   * @param {number} gain
   * @param {Float32Array} out takes log energy, log f0, voicing and spectral tilt
   * @param {number} offset where they begin
   */
  tracks(measured, from, gain, out, offset) {
    const c = this.constants;
    const power = gain * gain;
    const total = measured[from + 1] + 1e-3 / power;
    let strength = -Infinity;
    let best = 0;
    for (let k = 0; k < this.lags; k++) {
      const value = (measured[from + 4 + k] / total) * this.weight[k] - this.bias[k];
      if (value > strength) {
        strength = value;
        best = k;
      }
    }
    const voicing = clip(strength, 0, 1);
    out[offset] = Math.log(power * measured[from] + c.energy_floor);
    out[offset + 1] = voicing > 0.45 ? Math.log(c.sample_rate / (best + c.shortest_lag) / 150) : 0;
    out[offset + 2] = voicing;
    out[offset + 3] = Math.log(power * measured[from + 3] + 1e-3) - Math.log(power * measured[from + 2] + 1e-3);
  }
}

/**
 * Triangular filters of equal area between the edges of the mel bands, each from its first bin on.
 * @param {Record<string, any>} constants the section ``features``
 * @returns {{first: number, weights: Float64Array}[]}
 */
function melFilters({ mel_edges: edges, mel_bands: bands, fft_length: size, sample_rate: rate }) {
  return Array.from({ length: bands }, (_, band) => {
    const [low, middle, high] = edges.slice(band, band + 3);
    const height = 2 / (high - low);
    const all = Float64Array.from({ length: size / 2 + 1 }, (_, bin) => {
      const hertz = (bin * rate) / size;
      return Math.fround(Math.max(0, Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle)))) * height;
    });
    const first = all.findIndex((weight) => weight > 0);
    return { first, weights: all.slice(first, all.findLastIndex((weight) => weight > 0) + 1) };
  });
}

/** Samples that are fractions of full scale. */
export function checkedSound(samples) {
  const kind = typeof samples?.[0] === "object" ? "several channels" : Object.prototype.toString.call(samples);
  if (!/^\[object (Float\d+)?Array\]$/.test(kind)) throw new TypeError(`Give the sound as a Float32Array, mono, 16 kHz, -1 to 1, not as ${kind}.`);
  return samples;
}

/** Samples in [-1, 1]; what is no number is silence. */
export function finite(samples) {
  return Float32Array.from(checkedSound(samples), (value) => (Number.isFinite(value) ? clip(value, -1, 1) : 0));
}

/** Mean square of a frame. */
export function meanSquare(frame) {
  let sum = 0;
  for (let i = 0; i < frame.length; i++) sum += frame[i] * frame[i];
  return sum / frame.length;
}

/**
 * The gain that brings a loud RMS to 0.1 (-20 dBFS), limited to 60 dB either way; 1 for silence.
 * @param {number} loud
 * @param {Record<string, any>} constants
 */
export function gainOf(loud, { largest_gain: most }) {
  return loud > 1e-5 ? clip(0.1 / loud, 1 / most, most) : 1;
}

/**
 * Mel powers as natural-log mels under a gain.
 * @param {Float32Array} power
 * @param {number} gain
 * @param {Record<string, any>} constants the section ``features``
 */
export function logMel(power, gain, { log_floor: floor }) {
  return power.map((value) => Math.log(gain * gain * value + floor));
}

/** Natural log of the summed power of each frame (T) of log-mels (T, bands). */
export function bandLevel(mel, bands) {
  const level = new Float64Array(mel.length / bands);
  for (let i = 0; i < level.length; i++) {
    let sum = 0;
    for (let k = i * bands; k < (i + 1) * bands; k++) sum += Math.exp(mel[k]);
    level[i] = Math.log(sum);
  }
  return level;
}

/** Frames over which levels are smoothed. */
const SMOOTHED = 11;

/** Mean (T) over some frames, the ends held. */
export function smoothLevel(level) {
  return movingMean(level, SMOOTHED);
}

/**
 * Frames (T) whose smoothed level has no digital silence in it; those beside it are partly silent.
 * @param {Float64Array} level natural log of the summed power of each frame
 * @param {Record<string, any>} constants the section ``features``
 */
export function withoutSilence(level, { silent_level: silent }) {
  return movingMaximum(level.map((value) => (value > silent ? 0 : 1)), SMOOTHED + 2).map((any) => 1 - any);
}

/** Which frames (N) are no digital silence, by their RMS. */
export function isRecorded(rms, { silent_rms: silent }) {
  return Uint8Array.from(rms, (value) => (value > silent ? 1 : 0));
}

/** The levels of frames that are no digital silence; all where there are none. */
export function recorded(levels, sound) {
  const counted = levels.filter((_, i) => sound[i]);
  return counted.length ? counted : levels;
}

/** Level of the background of a recording with digital silence, from those of its faint, quiet and loud frames. */
export function background(faint, quiet, loud, { steady_range: steady, least_range: range }) {
  const level = Math.min(quiet, faint + steady);
  return level < loud - range ? level : -Infinity;
}

/** The threshold of speech for the levels of quiet and of loud frames. */
export function speechThreshold(quiet, loud) {
  return Math.min(Math.max(loud - 6.9, quiet + 1.6), loud - 2.3);
}

/**
 * Analysis frames loud enough to be speech.
 * @param {Float64Array} levels natural log of the summed power of each
 * @param {Record<string, any>} constants the section ``features``
 */
function speechMask(levels, constants) {
  const level = smoothLevel(levels);
  const sound = withoutSilence(levels, constants);
  const counted = recorded(level, sound);
  const [faint, quiet, loud] = ["faintest", "quiet", "loud"].map((name) => quantile(counted, constants[name]));
  const limit = speechThreshold(sound.includes(0) ? background(faint, quiet, loud, constants) : quiet, loud);
  return Uint8Array.from(level, (value) => (value > limit ? 1 : 0));
}

/** Mean (80) of log-mels over the frames of a mask; over all frames where it is empty. */
function bandMeans(mel, mask, bands) {
  const every = !mask.includes(1);
  const means = new Float64Array(bands);
  let count = 0;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i] && !every) continue;
    count += 1;
    for (let k = 0; k < bands; k++) means[k] += mel[i * bands + k];
  }
  return means.map((sum) => sum / count);
}

/**
 * Log-mels (T, 80) from one frame to another without the microphone: minus the mean of each band, within ±8.
 * @param {Float32Array} mel
 * @param {Float64Array} means (80)
 * @param {number} [first]
 * @param {number} [end]
 */
export function centreBands(mel, means, first = 0, end = mel.length / means.length) {
  const bands = means.length;
  const out = mel.slice(first * bands, end * bands);
  for (let i = 0; i < out.length; i++) out[i] = clip(out[i] - means[i % bands], -8, 8);
  return out;
}

/** Means (T, width) of the pairs of frames (2 T, width). */
export function pairMeans(values, width) {
  const out = new Float32Array(values.length / 2);
  for (let i = 0; i < out.length; i++) {
    const from = 2 * width * Math.floor(i / width) + (i % width);
    out[i] = 0.5 * (values[from] + values[from + width]);
  }
  return out;
}

/** Whether either of each pair (2 T) is true. */
export function anyOfPairs(mask) {
  return Uint8Array.from({ length: mask.length / 2 }, (_, i) => (mask[2 * i] || mask[2 * i + 1] ? 1 : 0));
}
