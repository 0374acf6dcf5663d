/** Laughter, cries, sighs and other sounds of a voice that are no speech, found in a recording or a stream. */

import { movingMean, runsOf } from "./filters.js";
import { attenuation } from "./shown.js";

/**
 * A vocal burst.
 * @typedef {object} Burst
 * @property {number} start seconds
 * @property {number} end seconds
 * @property {string} kind
 * @property {number} confidence
 */

/**
 * What the detector reads: hidden vectors and prosody, averaged over pairs of frames.
 * @param {Float32Array} hidden (T, D) of the emotion encoder
 * @param {Float32Array} prosody (T, 4)
 * @param {number} stride frames of a row
 * @param {number} [begin] the first frame
 * @returns {Float32Array} (N, D + 4)
 */
export function burstRows(hidden, prosody, stride, begin = 0) {
  const frames = prosody.length / 4;
  const width = hidden.length / frames;
  const count = Math.max(0, Math.floor((frames - begin) / stride));
  const rows = new Float32Array(count * (width + 4));
  for (let i = 0; i < count * stride; i++) {
    const [from, to] = [begin + i, Math.floor(i / stride) * (width + 4)];
    for (let k = 0; k < width; k++) rows[to + k] += hidden[from * width + k] / stride;
    for (let k = 0; k < 4; k++) rows[to + width + k] += prosody[4 * from + k] / stride;
  }
  return rows;
}

/**
 * The bursts in probabilities, without those that a face would show of what is no voice.
 * @param {Float32Array} posterior (N, 1 + K): no burst, and each kind
 * @param {Float32Array} distance (T) of the frames from ordinary speech, see ``attenuation``
 * @param {Record<string, any>} constants of ``model.json``
 * @returns {Burst[]}
 */
export function burstsOf(posterior, distance, { bursts: c, features, shown }) {
  const rate = features.frame_rate / c.stride;
  /** @type {[number, number][]} */
  const spans = [];
  for (const [first, end] of runsOf(probabilities(posterior, c).map((value) => Number(value > c.threshold)))) {
    const last = spans.at(-1);
    if (last && first - last[1] < c.bridged * rate) last[1] = end;
    else spans.push([first, end]);
  }
  const found = spans.filter(([first, end]) => end - first >= c.shortest * rate).map((span) => burstOf(posterior, ...span, rate, c));
  const frame = (time) => Math.max(0, Math.round((time - features.frame_offset) * features.frame_rate));
  return found.filter(({ start, end, kind }) => {
    const part = distance.subarray(frame(start), frame(end));
    const voice = part.reduce((sum, value) => sum + attenuation(value, shown), 0);
    return !c.shown_kinds.includes(kind) || voice >= c.voice * part.length;
  });
}

/** (N) probability of any burst, averaged over some rows. */
function probabilities(posterior, { kinds, smoothed }) {
  const width = 1 + kinds.length;
  const none = Float64Array.from({ length: posterior.length / width }, (_, i) => posterior[i * width]);
  return movingMean(none, smoothed).map((value) => 1 - value);
}

/** The burst of rows ``first`` to ``end``; of the last kind where none has the larger part. */
function burstOf(posterior, first, end, rate, { kinds, named }) {
  const width = 1 + kinds.length;
  const part = kinds.map((_, k) => {
    let sum = 0;
    for (let i = first; i < end; i++) sum += posterior[i * width + 1 + k];
    return sum / (end - first);
  });
  const all = part.reduce((sum, value) => sum + value, 0);
  const best = part.indexOf(Math.max(...part));
  const rounded = (value) => Math.round(1e3 * value) / 1e3;
  const kind = part[best] > named * all ? kinds[best] : kinds.at(-1);
  return { start: rounded(first / rate), end: rounded(end / rate), kind, confidence: rounded(all) };
}

/**
 * Which of the kinds that a face shows a frame of a stream belongs to.
 * @param {import("./networks.js").Networks} networks
 * @param {{hidden: Float32Array, prosody: Float32Array, first: number}} streamed the frames that are kept, and the number of the first
 * @param {number} frame which of them
 * @param {number} since the first frame that was not known before: what the detector reads depends on it
 * @param {number} distance of the frame from ordinary speech
 * @returns {Promise<Float32Array>} (B) of 0 and 1
 */
export async function streamedBursts(networks, streamed, frame, since, distance) {
  const { bursts: c, shown } = networks.constants;
  const flags = new Float32Array(c.shown_kinds.length);
  let begin = Math.max(0, since - c.stride * (c.context + c.smoothed));
  begin += (streamed.first + begin) % c.stride; // frames that are averaged stay together
  const posterior = await networks.bursts(burstRows(streamed.hidden, streamed.prosody, c.stride, begin));
  const row = Math.floor((frame - begin) / c.stride);
  const width = 1 + c.kinds.length;
  const part = posterior.subarray(row * width + 1, (row + 1) * width);
  if (!part.length || attenuation(distance, shown) < c.voice || probabilities(posterior, c)[row] <= c.streamed_threshold) return flags;
  const all = part.reduce((sum, value) => sum + value, 0);
  return flags.map((_, k) => Number(part[k] > c.named * all));
}
