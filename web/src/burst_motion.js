/** A face in laughter, cries and sighs: held expressions, and pulses that follow the sound. */

import { clip, gaussian, interpolate, movingMean, placeIn, resampleRows } from "./filters.js";
import { Rows } from "./rows.js";
import { riseAndFall } from "./visual_prosody.js";

/**
 * (T) in [0, 1]: how far the level of the sound stands out of its mean over half a second.
 * @param {Float32Array} prosody (F, 4) of a recording
 * @param {ArrayLike<number>} own (F) times of its frames
 * @param {Float64Array} times (T)
 * @param {Record<string, any>} constants
 */
function pulses(prosody, own, times, { bursts: c, features: { frame_rate: rate } }) {
  const level = Float64Array.from({ length: prosody.length / 4 }, (_, i) => prosody[4 * i]);
  const mean = movingMean(level, Math.max(1, Math.round(c.pulse_window * rate)));
  const out = gaussian(level.map((value, i) => value - mean[i]), c.pulse_smooth * rate, { mode: "nearest" });
  return interpolate(times, own, out.map((value) => clip(value / c.pulse_size, 0, 1)));
}

/**
 * Shows the bursts of a recording, in place.
 * @param {Float32Array} weights (T, 52)
 * @param {Float64Array} times (T)
 * @param {import("./bursts.js").Burst[]} bursts
 * @param {{prosody: Float32Array, own: ArrayLike<number>}} sound prosody, and times of its frames
 * @param {Record<string, any>} constants
 * @returns {Float64Array} (T) degrees of the head's pitch, down positive
 */
export function showBursts(weights, times, bursts, { prosody, own }, constants) {
  const { bursts: c, arkit } = constants;
  const pitch = new Float64Array(times.length);
  const shown = bursts.filter(({ kind }) => kind in c.held);
  if (!shown.length) return pitch;
  const pulse = pulses(prosody, own, times, constants);
  const swing = times.length > 1 ? gaussian(pulse, c.nod_smooth / (times[1] - times[0]), { mode: "nearest" }) : pulse;
  const jaw = arkit.names.indexOf("jawOpen");
  for (const { start, end, kind } of shown) {
    const near = [placeIn(times, start - Math.max(c.begins, c.breath)), placeIn(times, end + c.fall)];
    for (let i = near[0]; i < near[1]; i++) {
      const frame = weights.subarray(i * arkit.names.length, (i + 1) * arkit.names.length);
      const amount = riseAndFall((times[i] - start + c.begins) / c.rise, (times[i] - end) / c.fall);
      const place = clip((times[i] - start + c.breath) / c.breath, 0, 1);
      const breath = kind === "sigh" ? Math.sin(Math.PI * place) ** 2 : 0;
      showKind(frame, kind, amount, pulse[i], constants);
      frame[jaw] = Math.max(frame[jaw], c.drawn * breath);
      pitch[i] += amount * (c.head[kind][0] + c.head[kind][1] * swing[i]) + c.lifted * breath;
    }
  }
  for (let at = 0; at < weights.length; at++) weights[at] = clip(weights[at], 0, 1);
  return pitch;
}

/** A kind of burst on a frame (52), in place, ``amount`` from 0 to 1. */
function showKind(frame, kind, amount, pulse, { bursts: c, arkit }) {
  const [held, pulsed] = [c.held[kind], c.pulsed[kind]];
  for (const name of c.gives_way[kind]) frame[arkit.names.indexOf(name)] *= 1 - (1 - c.left_of_it) * clip(amount, 0, 1);
  for (const name of Object.keys({ ...held, ...pulsed })) {
    const k = arkit.names.indexOf(name);
    frame[k] = Math.max(frame[k], amount * ((held[name] ?? 0) + (pulsed[name] ?? 0) * pulse));
  }
}

/** Pulses (T) as a heavy head follows them in a stream: the last of each row (T, width), smoothed over so many frames. */
function swings(values, width, frames) {
  const weights = Float64Array.from({ length: frames }, (_, k) => Math.sin((Math.PI * (k + 1)) / (frames + 1)) ** 2);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Float64Array.from({ length: values.length / width }, (_, i) =>
    weights.reduce((sum, weight, k) => sum + (k > i ? 0 : (weight / total) * values[(i - k + 1) * width - 1]), 0),
  );
}

/** Bursts on the face of a stream: they rise when they are known, and pulse with the level of the sound until then. */
export class BurstStream {
  /** @param {Record<string, any>} constants */
  constructor(constants) {
    this.constants = constants;
    const { length } = constants.bursts.shown_kinds;
    /** How much of each kind shows. */
    this.now = new Float32Array(length);
    /** Newest levels of the sound, natural log. */
    this.levels = [];
    this.times = [];
    /** Of each frame how much of every kind shows, and the pulse. */
    this.rows = new Rows(length + 1);
  }

  /** The next frames of a stream. @param {import("./emotion_stream.js").HeardFrames} heard */
  push({ first, count, prosody, bursts }) {
    const { bursts: c, features } = this.constants;
    const rate = features.frame_rate;
    const quiet = !this.times.length && !bursts.includes(1);
    for (let i = 0; i < count; i++) {
      const level = prosody[4 * i];
      this.levels.push(level);
      if (this.levels.length > c.kept_levels) this.levels.shift();
      if (quiet) continue;
      const mean = this.levels.reduce((sum, value) => sum + value, 0) / this.levels.length;
      this.now.forEach((amount, k) => (this.now[k] = amount + clip(bursts[k] - amount, -1 / (c.fall * rate), 1 / (c.rise * rate))));
      this.times.push(features.frame_offset + (first + i) / rate);
      this.rows.append(Float32Array.of(...this.now, clip((level - mean) / c.pulse_size, 0, 1)));
    }
    const kinds = this.now.length;
    const over = !this.rows.values.some((amount, at) => amount && at % (kinds + 1) < kinds);
    const gone = over ? this.times.length : Math.max(0, this.times.length - c.kept_frames);
    this.times.splice(0, gone);
    this.rows.drop(gone);
  }

  /**
   * Adds the bursts to frames (T, 52) at some times, in place.
   * @param {Float32Array} weights
   * @param {number[]} at (T)
   * @returns {Float64Array} (T) degrees of the head's pitch, down positive
   */
  add(weights, at) {
    const { bursts: c, arkit } = this.constants;
    const pitch = new Float64Array(at.length);
    if (!this.times.length || !at.length) return pitch;
    const width = this.now.length + 1;
    const rows = resampleRows(this.rows.values, width, this.times, at);
    const swing = interpolate(at, this.times, swings(this.rows.values, width, c.nod_frames));
    for (let i = 0; i < at.length; i++) {
      const frame = weights.subarray(i * arkit.names.length, (i + 1) * arkit.names.length);
      const pulse = rows[i * width + width - 1];
      c.shown_kinds.forEach((kind, k) => {
        const amount = riseAndFall(rows[i * width + k], 0);
        if (amount) showKind(frame, kind, amount, pulse, this.constants);
        pitch[i] += amount * (c.head[kind][0] + c.head[kind][1] * swing[i]);
      });
    }
    return pitch;
  }
}
