/** Motion on the video clock, and what nobody decodes: blinks, gaze, head, and what the face does with the rhythm. */

import { showBursts } from "./burst_motion.js";
import { holdClosed } from "./closures.js";
import { clip, movingMaximum, quantile, resampleRows } from "./filters.js";
import { framesOf } from "./frames.js";
import { blinks, closeLids, fixations, gazePath, gazeShifts, headActivity, headRotation, inRadians, lookAt } from "./idle_motion.js";
import { tongueWeights } from "./tongue.js";
import { enliven, findRhythm, nods } from "./visual_prosody.js";

/**
 * A finished animation of so many frames a second.
 * @param {import("./recipe.js").Moved} moved
 * @param {{track: import("./emotion.js").Track}} heard
 * @param {{fps: number, generators: ReturnType<import("./random.js").idleGenerators> | null}} options without
 *   generators nothing is added that is drawn
 * @param {Record<string, any>} constants
 * @returns {import("./sedtalker.js").Animation}
 */
export function assemble(moved, heard, { fps, generators }, constants) {
  const { track } = heard;
  const { names } = constants.arkit;
  const { frame_rate: rate, frame_offset: offset } = constants.features;
  const count = framesOf(track.duration, fps);
  const times = Float64Array.from({ length: count }, (_, i) => i / fps);
  const own = Float64Array.from(track.intensity, (_, i) => offset + i / rate);
  const onVideo = (values, width = 1) => resampleRows(values, width, own, times);
  const weights = onVideo(moved.weights, names.length);
  const shown = { weights, times, own, fps, onVideo };
  const head = generators ? addIdle(shown, moved, heard, generators, constants) : new Float32Array(3 * count);
  const jaw = times.map((_, i) => weights[i * names.length + names.indexOf("jawOpen")]);
  const places = constants.tongue.names;
  const tongue = tongueWeights(onVideo(moved.tongue, places.length), jaw, constants.tongue);
  return { fps, names, weights, tongueNames: places, tongue, head, track };
}

/** Adds what is drawn to the weights, in place; gives the head's rotation vectors (T, 3). */
function addIdle({ weights, times, own, fps, onVideo }, moved, { track }, generators, constants) {
  const { features, rhythm: rules, idle, mouth, arkit } = constants;
  const { names } = arkit;
  const { voice } = moved;
  const rhythm = findRhythm(voice, features, rules);
  const jaw = names.indexOf("jawOpen");
  const spoken = weights.slice();
  enliven(weights, times, rhythm, generators.speech, names, rules);
  const before = weights.map((value, at) => (at % names.length === jaw ? spoken[at] : value));
  const sunk = showBursts(weights, times, track.bursts, { prosody: voice.prosody, own }, constants);
  const beside = movingMaximum(moved.closure, 2 * mouth.held_frames + 1);
  holdClosed(weights, before, onVideo(beside), mouth);
  const onFrames = { posterior: onVideo(track.posterior, track.labels.length), intensity: onVideo(track.intensity) };
  const degrees = headRotation(generators.head, onVideo(loudness(voice)), onFrames, track.labels, fps, idle);
  const activity = headActivity(onFrames, track.labels, fps, idle);
  const turns = nods(times, rhythm, generators.head, rules);
  const active = (at) => (activity[Math.floor(at / 3)] / idle.calm_activity) * turns[at];
  const head = inRadians(degrees.map((value, at) => value + active(at) + (at % 3 ? 0 : sunk[at / 3])));
  addEyes(weights, times, head, onVideo(voice.speech), rhythm, track.duration, generators, constants);
  return head;
}

/** Gaze and blinks, in place. */
function addEyes(weights, times, head, speech, { phrases }, duration, generators, { idle, arkit }) {
  const index = Object.fromEntries(arkit.names.map((name, k) => [name, k]));
  const looks = fixations(duration, generators.gaze, idle.eye_contact, phrases);
  const path = gazePath(looks, times, idle);
  const spoken = Uint8Array.from(speech, (share) => (share > 0.5 ? 1 : 0));
  const lids = blinks(times, generators.blinks, spoken, gazeShifts(looks), idle);
  for (let i = 0; i < times.length; i++) {
    const frame = weights.subarray(i * arkit.names.length, (i + 1) * arkit.names.length);
    lookAt(frame, path.subarray(2 * i, 2 * i + 2), head.subarray(3 * i, 3 * i + 3), index, idle);
    closeLids(frame, lids[i], index);
  }
}

/** Loudness (T) in [0, 1]: 0 is 20 dB below the loud frames of the recording, or silence. */
function loudness({ prosody, speech }) {
  const level = Float64Array.from(speech, (_, i) => prosody[4 * i]);
  const loud = quantile(level, 0.95);
  return Float32Array.from(level, (value, i) => clip((value - loud) / 4.6 + 1, 0, 1) * speech[i]);
}
