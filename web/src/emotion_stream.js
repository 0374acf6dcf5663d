/**
 * Emotion while somebody is still speaking, and what a face reads meanwhile.
 *
 * Lips have to move with the sound; an expression may follow by half a second, as it does in people, and is recognised
 * better from more sound. So a face reads the newest sound, and the diarizer says at a pace of its own what it expresses.
 */

import { speechActivity } from "./activity.js";
import { streamedBursts } from "./bursts.js";
import { noVoice, without } from "./emotion.js";
import { centreBands, pairMeans } from "./features.js";
import { DECODER_FRAMES } from "./networks.js";
import { joined } from "./rows.js";
import { LiveSegmentation } from "./segmentation.js";
import { attenuation, decided, visible } from "./shown.js";
import { EncoderStream, HiddenStream } from "./speech_stream.js";

/** Seconds as frames of 20 ms. */
function framesOf(seconds, { features }) {
  return Math.round(seconds * features.frame_rate);
}

/** Seconds that lips may wait for sound. */
const LONGEST_LOOK_AHEAD = 5;

/** Sound in pieces of any length, cut to hops; frames become final a look-ahead later. */
class Hops {
  /**
   * @param {EncoderStream} encoder
   * @param {number} delay frames of look-ahead
   * @param {number} hop frames between results
   * @param {Record<string, any>} constants
   */
  constructor(encoder, delay, hop, constants) {
    this.encoder = encoder;
    this.delay = delay;
    this.waiting = new Float32Array(0);
    this.final = 0;
    this.ended = false;
    this.step = hop * Math.round(constants.features.sample_rate / constants.features.frame_rate);
  }

  /**
   * The hops that the next samples complete.
   * @param {Float32Array} samples
   * @returns {Float32Array[]}
   */
  cut(samples) {
    const sound = joined([this.waiting, samples]);
    const whole = Math.floor(sound.length / this.step) * this.step;
    this.waiting = sound.slice(whole);
    return Array.from({ length: whole / this.step }, (_, i) => sound.slice(i * this.step, (i + 1) * this.step));
  }

  /** What is left at the end of the sound. */
  rest() {
    this.ended = true;
    const rest = this.waiting;
    this.waiting = new Float32Array(0);
    return rest;
  }

  /**
   * What becomes final with these samples; everything at the end.
   * @param {Float32Array} samples
   */
  async next(samples) {
    const begin = this.final;
    const streamed = await this.encoder.push(samples);
    this.final = Math.max(begin, streamed.total - (this.ended ? 0 : this.delay));
    return { streamed, since: begin - streamed.first, count: this.final - begin };
  }
}

/**
 * The newest that a diarizer has said.
 * @typedef {object} Said
 * @property {Float32Array} posterior (C) as a face shows it
 * @property {number} intensity as a face shows it
 * @property {number} label index of the category of the segment: steady, where the posterior flickers
 * @property {Float32Array} bursts (B) which of the vocal bursts that a face shows there is, 0 or 1
 */

/** The diarizer over a stream; it normalises by the sound until now, and its labels are never taken back. */
export class DiarizerStream {
  /** @param {import("./networks.js").Networks} networks */
  constructor(networks) {
    const { constants } = networks;
    const { streams, segments, track } = constants;
    const seconds = [streams.kept_seconds, streams.look_ahead_seconds, streams.hop_seconds];
    const [kept, delay, hop] = seconds.map((each) => framesOf(each, constants));
    const keep = kept + delay + hop;
    this.networks = networks;
    this.hops = new Hops(new EncoderStream(networks, keep, true), delay, hop, constants);
    this.segmentation = new LiveSegmentation(track.labels.length, constants.features.frame_rate, segments);
    /** @type {Set<number>} Numbers of the kept frames of sounds that are no voice. */
    this.other = new Set();
  }

  /**
   * The next samples; what is said with the last of the hops that they complete, or null.
   * @param {Float32Array} samples
   * @returns {Promise<Said | null>}
   */
  async push(samples) {
    let said = null;
    for (const piece of this.hops.cut(samples)) said = (await this.#say(await this.hops.next(piece))) ?? said;
    return said;
  }

  /** @returns {Promise<Said | null>} */
  async #say({ streamed, since, count }) {
    if (!count) return null;
    const { networks } = this;
    const { shown, features, activity } = networks.constants;
    const kept = streamed.total - streamed.first;
    const mel = pairMeans(centreBands(streamed.mel, streamed.means), features.mel_bands);
    const active = speechActivity(streamed.prosody, features.frame_rate, activity, streamed.loud);
    const measured = { mel, prosody: streamed.prosody, speech: streamed.speech, hidden: streamed.hidden };
    const other = await noVoice(networks, measured, active, this.hops.ended, since);
    for (let i = 0; i < since; i++) if (this.other.has(streamed.first + i)) other[i] = 1;
    this.other = new Set([...other.keys()].filter((i) => other[i]).map((i) => streamed.first + i));
    const found = await networks.diarize({ ...measured, speech: without(streamed.speech, other) }, 0, kept);
    const classes = found.posterior.length / kept;
    const posterior = found.posterior.subarray(since * classes);
    const [intensity, boundary, distance] = ["intensity", "boundary", "distance"].map((name) => found[name].subarray(since));
    const speech = without(active, other).subarray(since);
    const strength = intensity.map((value, i) => visible(value, shown) * attenuation(distance[i], shown));
    const face = posterior.slice();
    for (let i = 0; i < strength.length; i++) {
      const row = i * classes;
      face.set(decided(posterior.subarray(row, row + classes), strength[i], shown), row);
    }
    const labels = this.segmentation.decide(face, speech, count, this.hops.ended, boundary);
    const last = count - 1;
    const bursts = await streamedBursts(networks, streamed, since + last, since, distance[last]);
    return { posterior: face.slice(last * classes, count * classes), intensity: strength[last], label: labels[last], bursts };
  }
}

/**
 * Frames of the newest sound that have become final, with the emotion that was recognised by then.
 * @typedef {object} HeardFrames
 * @property {number} first number of the first of them
 * @property {number} count how many there are
 * @property {Float32Array} hidden (count + k, D) of the speech encoder: theirs, and of all that are known after them
 * @property {Float32Array} prosody (count + k, 4)
 * @property {Uint8Array} speech (count + k)
 * @property {Float32Array} posterior (count, C)
 * @property {Float32Array} intensity (count)
 * @property {number} label index of the category
 * @property {Float32Array} bursts (B) which of the vocal bursts that a face shows there is, 0 or 1
 */

/** Features a look-ahead after they were said, and the diarizer's emotion, eased. */
export class LateEmotions {
  /**
   * @param {import("./networks.js").Networks} networks
   * @param {{lookAhead: number, hop: number}} settings seconds
   */
  constructor(networks, { lookAhead, hop }) {
    const { constants } = networks;
    const { streams, speech_encoder: encoder, track, bursts } = constants;
    if (!(lookAhead >= 0 && lookAhead <= LONGEST_LOOK_AHEAD)) throw new RangeError(`lookAhead: ${lookAhead} does not lie between 0 and ${LONGEST_LOOK_AHEAD} seconds`);
    const [delay, step] = [lookAhead, hop].map((seconds) => framesOf(seconds, constants));
    const beat = DECODER_FRAMES.stream;
    if (!(step >= beat && step % beat === 0)) throw new RangeError(`hop: ${hop} is no multiple of ${beat / constants.features.frame_rate} seconds`);
    const keep = framesOf(streams.lips_seconds, constants) + encoder.context + delay + step;
    this.networks = networks;
    this.hops = new Hops(new EncoderStream(networks, keep), delay, step, constants);
    this.newest = new HiddenStream(networks, "speech_encoder", 0, streams.lips_change);
    this.diarizer = new DiarizerStream(networks);
    /** Sound that the diarizer has not had yet. */
    this.backlog = [];
    const neutral = Float32Array.from(track.labels, (_, c) => (c ? 0 : 1));
    /** @type {Said} */
    this.wanted = { posterior: neutral, intensity: 0, label: 0, bursts: new Float32Array(bursts.shown_kinds.length) };
    this.posterior = this.wanted.posterior.slice();
    this.intensity = 0;
  }

  /**
   * What the next samples make final, hop by hop.
   * @param {Float32Array} samples
   * @returns {AsyncGenerator<HeardFrames>}
   */
  async *push(samples) {
    for (const piece of this.hops.cut(samples)) {
      await this.settle();
      const frames = await this.#frames(piece);
      this.backlog.push(piece);
      if (frames.count) yield frames;
    }
  }

  /** The sound has ended: what is left, possibly nothing. */
  async flush() {
    const rest = this.hops.rest();
    await this.settle();
    return this.#frames(rest);
  }

  /** Gives the diarizer the sound that it has not had yet. */
  async settle() {
    while (this.backlog.length) this.wanted = (await this.diarizer.push(this.backlog.shift())) ?? this.wanted;
  }

  async #frames(samples) {
    const { networks } = this;
    const { streams, features, decoder } = networks.constants;
    const { streamed, since, count } = await this.hops.next(samples);
    const kept = await this.newest.push(streamed);
    const hidden = kept.subarray(count ? since * decoder.hidden : kept.length);
    const classes = this.posterior.length;
    const share = Math.fround(1 - Math.exp(-1 / (streams.onset_seconds * features.frame_rate)));
    const [posterior, intensity] = [new Float32Array(count * classes), new Float32Array(count)];
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < classes; c++) this.posterior[c] += share * (this.wanted.posterior[c] - this.posterior[c]);
      this.intensity += share * (this.wanted.intensity - this.intensity);
      posterior.set(this.posterior, i * classes);
      intensity[i] = this.intensity;
    }
    return {
      first: streamed.first + since,
      count,
      hidden,
      prosody: streamed.prosody.slice(4 * since, 4 * since + (4 * hidden.length) / decoder.hidden),
      speech: streamed.speech.slice(since, since + hidden.length / decoder.hidden),
      posterior,
      intensity,
      label: this.wanted.label,
      bursts: this.wanted.bursts,
    };
  }
}
