/**
 * WAV files, read and written here: browsers scale 16-bit samples each in their own way, and the same file should give the
 * same face everywhere.
 */

import { Resampler } from "./resampling.js";

/** Kinds of samples: whole numbers, floats, and those that say which further on. */
const [PCM, FLOAT, EXTENSIBLE] = [1, 3, 0xfffe];

/** @param {DataView} view @param {number} bits @param {number} kind @returns {((at: number) => number) | null} reads a sample; `null`: not such ones */
function reader(view, bits, kind) {
  if (kind === FLOAT && bits === 32) return (at) => view.getFloat32(at, true);
  if (kind === FLOAT && bits === 64) return (at) => view.getFloat64(at, true);
  if (kind !== PCM) return null;
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 32768;
  if (bits === 24) return (at) => (view.getUint16(at, true) + 65536 * view.getInt8(at + 2)) / 8388608;
  if (bits === 32) return (at) => view.getInt32(at, true) / 2147483648;
  return null;
}

/** @param {DataView} view @returns {Map<string, {at: number, size: number}>} the chunks of a RIFF file, those that are cut off shorter */
function chunks(view) {
  const text = (/** @type {number} */ at) => String.fromCharCode(...[0, 1, 2, 3].map((k) => view.getUint8(at + k)));
  const found = new Map();
  if (view.byteLength < 12 || text(0) !== "RIFF" || text(8) !== "WAVE") return found;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = Math.min(view.getUint32(at + 4, true), view.byteLength - at - 8);
    if (!found.has(text(at))) found.set(text(at), { at: at + 8, size });
    at += 8 + size + (size & 1);
  }
  return found;
}

/**
 * The samples of a WAV file, mono, see ``mixed``.
 * @param {ArrayBuffer} file
 * @returns {{samples: Float32Array, rate: number} | null} `null`: no WAV file, or one of a kind that only browsers read
 */
export function readWav(file) {
  const view = new DataView(file);
  const found = chunks(view);
  const [form, data] = [found.get("fmt "), found.get("data")];
  if (!form || !data || form.size < 16) return null;
  const [channels, rate] = [view.getUint16(form.at + 2, true), view.getUint32(form.at + 4, true)];
  const [row, bits] = [view.getUint16(form.at + 12, true), view.getUint16(form.at + 14, true)];
  let kind = view.getUint16(form.at, true);
  if (kind === EXTENSIBLE && form.size >= 26) kind = view.getUint16(form.at + 24, true);
  const read = reader(view, bits, kind);
  if (!read || !channels || rate < 1000 || row !== (channels * bits) / 8) return null;
  const length = Math.floor(data.size / row);
  if (!length) return null;
  const sound = Array.from({ length: channels }, (_, c) => {
    const part = new Float32Array(length);
    for (let i = 0, at = data.at + (c * bits) / 8; i < length; i++, at += row) part[i] = read(at);
    return part;
  });
  return { samples: mixed(sound), rate };
}

/** Power of the mean of all channels below this share of the loudest one's: they cancel each other. */
const CANCELLED = 1e-3;
/** Times full scale: from which on a sound is brought down; and more is no sound, but a damaged file. */
const [FAR_BEYOND_FULL_SCALE, LOUDEST] = [2, 1e6];

/**
 * One channel of several: their mean, or the loudest where they cancel out. What is no number is silence, and sound far
 * beyond full scale is brought down.
 * @param {Float32Array[]} channels
 * @returns {Float32Array}
 */
export function mixed(channels) {
  let peak = 0;
  const power = (/** @type {Float32Array} */ part) => {
    let sum = 0;
    for (let i = 0; i < part.length; i++) sum += part[i] * part[i];
    return sum;
  };
  for (const part of channels) {
    for (let i = 0; i < part.length; i++) {
      if (!(Math.abs(part[i]) <= LOUDEST)) part[i] = 0;
      peak = Math.max(peak, Math.abs(part[i]));
    }
  }
  let mono = channels[0];
  if (channels.length > 1) {
    mono = new Float32Array(mono.length);
    for (let i = 0; i < mono.length; i++) {
      let sum = 0;
      for (const part of channels) sum += part[i];
      mono[i] = sum / channels.length;
    }
    const powers = channels.map(power);
    const most = Math.max(...powers);
    if (power(mono) < CANCELLED * most) mono = channels[powers.indexOf(most)];
  }
  return peak > FAR_BEYOND_FULL_SCALE ? mono.map((value) => value / peak) : mono;
}

/** Seconds of sound that are brought to another rate at once: a page stays alive between them. */
const AT_ONCE = 4;

/** @param {Float32Array} samples @param {number} from @param {number} to rates @returns {Promise<Float32Array>} at the other rate, as long */
export async function resampled(samples, from, to) {
  if (from === to) return samples;
  const resampler = new Resampler(from, to);
  const whole = new Float32Array(Math.round((samples.length * to) / from));
  let made = 0;
  const take = (/** @type {Float32Array} */ part) => {
    const fits = part.subarray(0, whole.length - made);
    whole.set(fits, made);
    made += fits.length;
  };
  for (let at = 0; at < samples.length; at += AT_ONCE * from) {
    take(resampler.push(samples.subarray(at, at + AT_ONCE * from)));
    await new Promise((soon) => setTimeout(soon));
  }
  take(resampler.flush());
  return whole;
}

/** @param {Float32Array} samples mono @param {number} rate @returns {Blob} a WAV of 16 bits */
export function toWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (/** @type {number} */ at, /** @type {string} */ s) => [...s].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, x)) * 32767), true));
  return new Blob([view], { type: "audio/wav" });
}
