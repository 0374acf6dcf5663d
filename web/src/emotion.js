/** What the diarizer says of a whole recording, and the track that a face is given. */

import { speechActivity } from "./activity.js";
import { clip, convolve, interpolate, runsOf } from "./filters.js";
import { decodeLabels, runs, segmentsOf } from "./segmentation.js";
import { attenuation, decided, neutralByIntensity, segmentEvidence, visible } from "./shown.js";

/**
 * What the network says about every frame, before any decision.
 * @typedef {object} FrameEmotions
 * @property {Float32Array} posterior (T, C), rows sum to 1
 * @property {Float32Array} intensity (T)
 * @property {Uint8Array} speech (T)
 * @property {Float32Array} boundary (T)
 * @property {Float32Array} distance (T)
 */

/**
 * What is expressed, how strongly and when.
 * @typedef {object} Track
 * @property {string[]} labels (C)
 * @property {number} rate frames a second
 * @property {number} offset seconds of the first frame
 * @property {number} duration seconds
 * @property {Float32Array} posterior (T, C) as a face shows it
 * @property {Float32Array} intensity (T) as a face shows it
 * @property {Uint8Array} speech (T)
 * @property {{posterior: Float32Array, intensity: Float32Array}} recognised what the network predicts, as steady
 * @property {{start: number, end: number, label: string, intensity: number, confidence: number}[]} segments
 * @property {import("./bursts.js").Burst[]} bursts laughter, cries, sighs and other sounds of a voice that are no speech
 */

/**
 * What the diarizer predicts of a whole recording, in windows of a minute that overlap by its receptive field.
 * @param {import("./networks.js").Networks} networks
 * @param {import("./features.js").Analysis} analysis
 * @param {Float32Array} mel (T, 80) centred, pairs averaged
 * @param {Float32Array} hidden (T, D) of the emotion encoder
 * @param {(share: number) => Promise<void>} [onprogress]
 * @returns {Promise<FrameEmotions>}
 */
export async function frameEmotions(networks, analysis, mel, hidden, onprogress) {
  const { constants } = networks;
  const { rate, row, context, window_seconds: seconds } = { ...constants.diarizer, rate: constants.features.frame_rate };
  const count = analysis.frames;
  const classes = constants.track.labels.length;
  const step = Math.floor(Math.round(seconds * rate) / row) * row;
  const margin = Math.ceil(context / row) * row;
  const found = emptyFrames(count, classes);
  const active = speechActivity(analysis.prosody, rate, constants.activity);
  const measured = { mel, hidden, prosody: analysis.prosody, speech: analysis.speech };
  const other = await noVoice(networks, measured, active, true);
  const given = { ...measured, speech: without(measured.speech, other) };
  found.speech = without(active, other);
  for (let start = 0; start < count; start += step) {
    const first = Math.max(0, start - margin);
    const end = Math.min(count, start + step + margin);
    const estimate = await networks.diarize(given, first, end);
    const last = Math.min(count, start + step);
    found.posterior.set(estimate.posterior.subarray((start - first) * classes, (last - first) * classes), start * classes);
    for (const name of ["intensity", "boundary", "distance"]) {
      found[name].set(estimate[name].subarray(start - first, last - first), start);
    }
    await onprogress?.(last / count);
  }
  return found;
}

/**
 * Short sounds between pauses that are no voice, as of a door that slams; they are no speech after all.
 *
 * Each is judged by itself, when it or the recording has ended.
 * @param {import("./networks.js").Networks} networks
 * @param {{mel: Float32Array, prosody: Float32Array, speech: Uint8Array, hidden: Float32Array}} given (T, …) each
 * @param {Uint8Array} speech (T) from ``speechActivity``
 * @param {boolean} ended whether nothing comes after these frames
 * @param {number} [since] sounds that end before this frame are not judged
 * @returns {Promise<Uint8Array>} (T)
 */
export async function noVoice(networks, given, speech, ended, since = 0) {
  const { features, diarizer, shown } = networks.constants;
  const [other, sounds] = [new Uint8Array(speech.length), runsOf(speech)];
  for (const [first, end] of sounds.length > 1 ? sounds : []) {
    const seconds = (end - first) / features.frame_rate;
    if (end <= since || (end === speech.length && !ended) || seconds > diarizer.short_sound) continue;
    const { distance } = await networks.diarize(given, first, end);
    const mean = distance.reduce((sum, value) => sum + value, 0) / (end - first);
    const limit = shown.familiar[1] * (seconds < diarizer.brief_sound ? diarizer.brief_limit : 1);
    if (mean > limit) other.fill(1, first, end);
  }
  return other;
}

/** A mask (T) without the frames of another one. */
export function without(mask, other) {
  return mask.map((value, i) => (other[i] ? 0 : value));
}

function emptyFrames(count, classes) {
  const [intensity, boundary, distance] = Array.from({ length: 3 }, () => new Float32Array(count));
  return { posterior: new Float32Array(count * classes), intensity, boundary, distance, speech: new Uint8Array(count) };
}

/**
 * The track of frames, segmented and eased: what is shown, and what was predicted.
 * @param {FrameEmotions} frames
 * @param {number} duration seconds
 * @param {Record<string, any>} constants of ``model.json``
 * @returns {Track}
 */
export function emotionTrack(frames, duration, constants) {
  const { frame_rate: rate, frame_offset: offset } = constants.features;
  const { labels } = constants.track;
  const speech = frames.speech.slice();
  for (const [first, end] of runsOf(speech)) { // sounds between pauses that are no voice, as of music, are no speech
    const unlike = frames.distance.subarray(first, end).filter((value) => attenuation(value, constants.shown) === 0);
    if (unlike.length >= constants.diarizer.no_voice * (end - first)) speech.fill(0, first, end);
  }
  const shaped = shapeTrack({ ...frames, speech }, rate, constants);
  const track = { labels, rate, offset, duration, speech, ...shaped, segments: [], bursts: [] };
  track.segments = segmentsOf(track, constants.track, constants.segments);
  return track;
}

/**
 * Posterior and intensity fit to drive a face: steady within segments, eased between them, fading in long pauses.
 * @param {FrameEmotions} frames
 * @param {number} rate frames a second
 * @param {Record<string, any>} constants
 */
export function shapeTrack(frames, rate, constants) {
  const { shape: rule, shown, segments } = constants;
  const classes = constants.track.labels.length;
  const count = frames.intensity.length;
  const width = classes + 1;
  const posterior = new Float32Array(count * classes);
  const intensity = new Float32Array(count);
  const recognised = { posterior: new Float32Array(count * classes), intensity: new Float32Array(count) };
  if (!frames.speech.includes(1)) {
    for (let i = 0; i < count; i++) posterior[i * classes] = recognised.posterior[i * classes] = 1;
    return { posterior, intensity, recognised };
  }
  const own = bridgePauses(frames, classes);
  const familiar = frames.distance.map((distance) => attenuation(distance, shown));
  const evidence = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    const strength = visible(frames.intensity[i], shown) * familiar[i];
    evidence.set(segmentEvidence(frames.posterior.subarray(i * classes, (i + 1) * classes), strength, shown), i * classes);
  }
  const labels = decodeLabels(evidence, classes, rate, segments, frames.speech, frames.boundary);
  const eased = ease(segmentMeans(own, width, labels, frames.speech), width, rule.ease * rate);
  const presence = presenceOf(frames.speech, rate, rule);
  const row = new Float64Array(width);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < width; k++) row[k] = rule.steadiness * eased[i * width + k] + (1 - rule.steadiness) * own[i * width + k];
    const total = row.subarray(0, classes).reduce((sum, value) => sum + value, 0);
    for (let c = 0; c < classes; c++) recognised.posterior[i * classes + c] = row[c] / total;
    recognised.intensity[i] = clip(row[classes], 0, 1);
    const strength = visible(recognised.intensity[i], shown) * familiar[i];
    const settled = visible(eased[i * width + classes], shown) * familiar[i];
    const face = decided(eased.subarray(i * width, i * width + classes), settled, shown);
    for (let c = 0; c < classes; c++) posterior[i * classes + c] = presence[i] * face[c] + (c ? 0 : 1 - presence[i]);
    intensity[i] = presence[i] * strength;
    neutralByIntensity(recognised.posterior.subarray(i * classes, (i + 1) * classes), recognised.intensity[i], shown);
  }
  return { posterior, intensity, recognised };
}

/** Posterior and intensity (T, C + 1) of speech frames, interpolated across silence and held at the ends. */
function bridgePauses({ posterior, intensity, speech }, classes) {
  const width = classes + 1;
  const where = [...speech.keys()].filter((i) => speech[i]);
  const index = Float64Array.from(speech, (_, i) => i);
  const out = new Float64Array(speech.length * width);
  for (let k = 0; k < width; k++) {
    const known = where.map((i) => (k < classes ? posterior[i * classes + k] : intensity[i]));
    interpolate(index, where, known).forEach((value, i) => (out[i * width + k] = value));
  }
  return out;
}

/** Rows (T, width) with each frame at the mean of its segment, over speech where there is some. */
function segmentMeans(values, width, labels, speech) {
  const out = new Float64Array(values.length);
  for (const [first, end] of runs(labels)) {
    const spoken = speech.subarray(first, end).includes(1);
    const mean = new Float64Array(width);
    let frames = 0;
    for (let i = first; i < end; i++) {
      if (spoken && !speech[i]) continue;
      frames += 1;
      for (let k = 0; k < width; k++) mean[k] += values[i * width + k];
    }
    for (let i = first * width; i < end * width; i++) out[i] = mean[i % width] / frames;
  }
  return out;
}

/** Piecewise constant rows (T, width) with raised-cosine transitions about ``frames`` long. */
function ease(steps, width, frames) {
  const size = Math.max(3, 2 * Math.round(frames / 2) + 3);
  const window = Float64Array.from({ length: size - 2 }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 1)) / (size - 1)));
  const total = window.reduce((sum, value) => sum + value, 0);
  return convolve(steps, window.map((value) => value / total), { width, mode: "nearest" });
}

/** How much of the expression shows (T) in [0, 1]: 1 in speech, fading after it and rising before it. */
function presenceOf(speech, rate, rule) {
  const count = speech.length;
  const since = new Float64Array(count).fill(Infinity);
  const until = new Float64Array(count).fill(Infinity);
  for (let i = 0, last = -Infinity; i < count; i++) {
    if (speech[i]) last = i;
    since[i] = (i - last) / rate;
  }
  for (let i = count - 1, next = Infinity; i >= 0; i--) {
    if (speech[i]) next = i;
    until[i] = (next - i) / rate;
  }
  return since.map((seconds, i) => {
    const after = clip((seconds - rule.hold) / rule.release, 0, 1);
    const before = clip(until[i] / rule.anticipation, 0, 1);
    return Math.max(0.5 + 0.5 * Math.cos(Math.PI * after), 0.5 + 0.5 * Math.cos(Math.PI * before));
  });
}
