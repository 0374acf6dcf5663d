/** The recipe of a whole recording: sound becomes features, an emotion, and motion on the clock of the features. */

import { burstRows, burstsOf } from "./bursts.js";
import { easeCuts, emotional, UpperFace } from "./conditioning.js";
import { closures, lipsApart, mixMouth, moveLips, nearFrames, requiredClosures } from "./closures.js";
import { emotionTrack, frameEmotions } from "./emotion.js";
import { centreBands, Ear, pairMeans } from "./features.js";
import { MotionDecoder, speechInput } from "./motion_decoder.js";
import { encode, rowsOf } from "./networks.js";
import { constrictions } from "./tongue.js";
import { atRest, voicePresence } from "./voice_presence.js";

/**
 * Motion on the clock of the features, 50 frames a second.
 * @typedef {object} Moved
 * @property {Float32Array} weights (T, 52) in [0, 1]
 * @property {Float32Array} tongue (T, 3) how far the tongue is at its places
 * @property {Float32Array} closure (T) from 0 to 1, how far p, b and m close the lips
 * @property {import("./closures.js").Voice} voice what was decoded: nothing where there is no voice
 */

/** Shares of the work, for a bar of progress. */
const WORK = { analyse: 0.15, encode: 0.35, diarize: 0.2, decode: 0.3 };

/**
 * Features, hidden vectors and emotion of a recording.
 * @param {import("./networks.js").Networks} networks
 * @param {Float32Array} samples mono, 16 kHz, in [-1, 1]
 * @param {(share: number) => Promise<void>} onprogress
 */
export async function listen(networks, samples, onprogress) {
  const { constants } = networks;
  const analysis = new Ear(constants.features).analyse(samples);
  await onprogress(WORK.analyse);
  let done = WORK.analyse;
  const hidden = await encode(networks, analysis, (share) => onprogress(done + WORK.encode * share));
  done += WORK.encode;
  const mel = pairMeans(centreBands(analysis.mel, analysis.means), constants.features.mel_bands);
  const frames = await frameEmotions(networks, analysis, mel, hidden.emotion, (share) => onprogress(done + WORK.diarize * share));
  const sounds = await networks.bursts(burstRows(hidden.emotion, analysis.prosody, constants.bursts.stride));
  const bursts = burstsOf(sounds, frames.distance, constants);
  const track = { ...emotionTrack(frames, samples.length / constants.features.sample_rate, constants), bursts };
  return { analysis, hidden, frames, track };
}

/**
 * The motion of what was listened to.
 * @param {import("./networks.js").Networks} networks
 * @param {Awaited<ReturnType<typeof listen>>} heard
 * @param {(share: number) => Promise<void>} onprogress
 * @returns {Promise<Moved>}
 */
export async function move(networks, { analysis, hidden, track }, onprogress) {
  const { constants } = networks;
  const emotion = easeCuts(track.posterior, track.intensity, constants.conditioning);
  const { prosody, speech } = analysis;
  const read = { hidden: hidden.speech, prosody, speech, ...(await networks.articulation(hidden)) };
  const spoken = atRest(read, voicePresence(hidden.speech, speech, constants.voice_presence), constants.voice_presence);
  const given = { speech: speechInput(spoken.hidden, spoken.prosody, constants.decoder), ...emotion };
  const motion = await decode(networks, given, (share) => onprogress(1 - WORK.decode * (1 - share)));
  const voice = { prosody: spoken.prosody, speech: spoken.speech };
  return finishMouth(motion, emotion, spoken, voice, constants);
}

/** Coefficients (T, 52) of a whole recording, some seconds at a time. */
async function decode(networks, frames, onprogress) {
  const decoder = new MotionDecoder(networks, "file");
  const count = frames.intensity.length;
  const step = 512;
  const motion = new Float32Array(count * networks.constants.arkit.names.length);
  let at = 0;
  for (let start = 0; start < count; start += step) {
    const end = Math.min(count, start + step);
    const part = (values) => rowsOf(values, count, start, end - start);
    const { speech, posterior, intensity } = frames;
    const stretch = { speech: part(speech), posterior: part(posterior), intensity: part(intensity) };
    const made = await decoder.push(stretch, end === count);
    motion.set(made, at);
    at += made.length;
    await onprogress(end / count);
  }
  return motion;
}

/**
 * A decoder's motion with an upper face of full strength, and lips and tongue where the phones ask for them.
 * @param {Float32Array} motion (T, 52) in [0, 1]
 * @param {{posterior: Float32Array, intensity: Float32Array}} emotion (T, C) and (T), eased
 * @param {{lips: Float32Array, tongue: Float32Array, mouth: Float32Array}} phones (T, 2) and (T, 3) posteriors; (T, 52)
 * @param {import("./closures.js").Voice} voice
 * @param {Record<string, any>} constants
 * @returns {Moved}
 */
export function finishMouth(motion, emotion, phones, voice, constants) {
  const { mouth } = constants;
  const share = emotional(emotion.posterior, emotion.intensity, constants.conditioning);
  const mixed = mixMouth(motion, phones.mouth, share, voice, mouth);
  const full = new UpperFace(constants.upper_face).push(mixed, emotion.posterior, emotion.intensity);
  const apart = lipsApart(full, nearFrames(mouth), mouth);
  const closed = closures(phones.lips, mouth);
  return {
    weights: moveLips(full, requiredClosures(phones.lips, share, mouth), apart, share, mouth),
    tongue: constrictions(phones.tongue, constants.tongue),
    closure: Float32Array.from(share, (_, i) => closed[2 * i]),
    voice,
  };
}
