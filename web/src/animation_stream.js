/** The moving face while somebody is still speaking: ARKit weights a stated time after the sound. */

import { BurstStream } from "./burst_motion.js";
import { ClosureStream, MouthStream } from "./closures.js";
import { emotional, UpperFace } from "./conditioning.js";
import { LateEmotions } from "./emotion_stream.js";
import { finite } from "./features.js";
import { placeIn, resampleRows } from "./filters.js";
import { checkedRate, framesOf } from "./frames.js";
import { BlinkStream, closeLids, GazeStream, HeadStream, inRadians, lookAt } from "./idle_motion.js";
import { MotionDecoder, speechInput } from "./motion_decoder.js";
import { idleGenerators } from "./random.js";
import { joined, Rows } from "./rows.js";
import { TongueStream, tongueWeights } from "./tongue.js";
import { atRest, PresenceStream } from "./voice_presence.js";

/** What is said of sound that comes after a stream's end. */
export const ENDED = "The stream has ended: begin a new one.";

/**
 * @typedef {object} StreamOptions
 * @property {number} [fps] frames a second
 * @property {boolean} [idle] whether blinks, gaze and head motion are added
 * @property {number} [seed] of what is drawn for them
 * @property {number} [lookAhead] seconds of sound that the lips wait for
 * @property {number} [hop] seconds of sound between results, a multiple of 0.08
 */

/**
 * A video frame of a stream.
 * @typedef {object} StreamedFrame
 * @property {number} time seconds since the beginning
 * @property {Float32Array} weights (52) in [0, 1]
 * @property {Float32Array} tongue (3) in [0, 1]
 * @property {Float32Array} head (3) rotation vector, radians
 * @property {string} emotion the category
 * @property {number} intensity its strength in [0, 1]
 */

/** Values of frames that come again with every hop until they are final, without a step where two hops meet. */
class HopCrossfade {
  /**
   * @param {number} width values of a frame
   * @param {number[]} shares of what the hop before said of each of the first frames of a hop
   */
  constructor(width, shares) {
    this.width = width;
    this.shares = shares;
    /** Frames after the final ones, as the last hop saw them. */
    this.ahead = new Float32Array(0);
  }

  /**
   * @param {Float32Array} values (N, width) of the next frames
   * @param {number} count how many of them are final; the others come again
   */
  push(values, count) {
    const { width, ahead } = this;
    const made = values.slice();
    this.shares.slice(0, Math.min(ahead.length, values.length) / width).forEach((share, i) => {
      for (let k = i * width; k < (i + 1) * width; k++) made[k] = share * ahead[k] + (1 - share) * values[k];
    });
    this.ahead = values.slice(count * width);
    return made;
  }
}

/** The decoder over frames that were heard: motion 50 times a second, lips closed and tongue placed. */
class FaceStream {
  /** @param {import("./networks.js").Networks} networks */
  constructor(networks) {
    const { constants } = networks;
    this.networks = networks;
    this.decoder = new MotionDecoder(networks, "stream");
    /** Vectors of the frames before the next ones, for what reads the mouth out of them. */
    this.past = new Float32Array(0);
    const { crossfade } = constants.streams;
    /** Of the vectors that the decoder reads, and of the mouth that is read out of them. */
    this.crossfades = [constants.decoder.hidden, constants.arkit.names.length].map((width) => new HopCrossfade(width, crossfade));
    this.presence = new PresenceStream(constants.voice_presence);
    this.mouth = new MouthStream(constants.mouth);
    this.upper = new UpperFace(constants.upper_face);
    this.lips = new ClosureStream(constants.mouth);
    this.tongue = new TongueStream(constants.tongue);
  }

  /**
   * @param {import("./emotion_stream.js").HeardFrames} heard
   * @param {boolean} last whether the sound ends with them
   * @returns {Promise<{weights: Float32Array, tongue: Float32Array}>} (N, 52) and (N, 3)
   */
  async push(heard, last) {
    const { constants } = this.networks;
    const { mouth, decoder } = constants;
    const { count, posterior, intensity } = heard;
    const known = Math.min(count + mouth.ahead_frames, heard.prosody.length / 4);
    const found = await this.#read(heard);
    const prosody = found.prosody.subarray(0, 4 * count);
    const speech = speechInput(found.hidden.subarray(0, count * decoder.hidden), prosody, decoder);
    const decoded = await this.decoder.push({ speech, posterior, intensity }, last);
    const part = (name, width, from, to) => found[name].subarray(from * width, to * width);
    const share = emotional(posterior, intensity, constants.conditioning);
    const shapes = constants.arkit.names.length;
    const mixed = this.mouth.push(decoded, part("mouth", shapes, 0, count), share, posterior, intensity, {
      prosody,
      speech: found.speech.subarray(0, count),
    });
    const motion = this.upper.push(mixed, posterior, intensity);
    const weights = this.lips.push(motion, part("lips", 2, 0, count), part("lips", 2, count, known), share);
    const places = constants.tongue.names.length;
    const due = weights.length / shapes;
    const tongue = this.tongue.push(part("tongue", places, 0, count), part("tongue", places, count, known), due);
    return { weights, tongue };
  }

  /** What the decoder reads of the frames that were heard, and of those after them as far as they are known. */
  async #read(heard) {
    const { count, prosody, speech } = heard;
    const articulation = await this.#articulation(heard);
    const hidden = count ? this.crossfades[0].push(heard.hidden, count) : heard.hidden;
    const read = { hidden, prosody, speech, ...articulation };
    if (!count) return read;
    return atRest(read, this.presence.push(heard.hidden, speech, count), this.networks.constants.voice_presence);
  }

  /** Phones and the mouth of the frames that were heard, and of those after them as far as they are known. */
  async #articulation({ hidden, count }) {
    const { decoder, mouth, arkit, tongue } = this.networks.constants;
    const width = decoder.hidden;
    if (!count) return { lips: hidden, tongue: hidden, mouth: hidden };
    const before = this.past.length / width;
    const rows = joined([this.past, hidden]);
    const found = await this.networks.streamedArticulation(rows);
    const end = this.past.length + count * width;
    this.past = rows.slice(Math.max(0, end - mouth.streaming_context * width), end);
    const after = (values, columns) => values.subarray(before * columns);
    return {
      lips: after(found.lips, 2),
      tongue: after(found.tongue, tongue.names.length),
      mouth: this.crossfades[1].push(after(found.mouth, arkit.names.length), count),
    };
  }
}

/** Sound in pieces to video frames; equals the Python ``AnimationStream`` with the streaming decoder. */
export class AnimationStream {
  /**
   * @param {import("./networks.js").Networks} networks
   * @param {StreamOptions & {generators?: ReturnType<typeof idleGenerators>}} [options] `generators`: instead of those of the seed
   */
  constructor(networks, { fps, idle = true, seed = 0, lookAhead, hop, generators } = {}) {
    const { constants } = networks;
    const { streams, arkit, tongue } = constants;
    this.constants = constants;
    this.fps = checkedRate(fps ?? streams.fps);
    this.emotions = new LateEmotions(networks, { lookAhead: lookAhead ?? streams.look_ahead, hop: hop ?? streams.hop });
    this.face = new FaceStream(networks);
    this.bursts = new BurstStream(constants);
    this.idle = idle ? new Idle(generators ?? idleGenerators(seed), this.fps, constants) : null;
    this.times = [];
    this.weights = new Rows(arkit.names.length);
    this.tongue = new Rows(tongue.names.length);
    this.taken = this.number = this.samples = 0;
    this.said = { emotion: constants.track.labels[0], intensity: 0, loudness: 0 };
    /** What was pushed is worked on one after another, the diarizer's part once its frames are out. */
    this.queue = Promise.resolve();
    this.ended = false;
  }

  /**
   * The next samples, mono at 16 kHz; the video frames that have become final.
   * @param {Float32Array} samples
   * @returns {Promise<StreamedFrame[]>}
   */
  async push(samples) {
    if (this.ended) throw new Error(ENDED);
    const sound = finite(samples); // a copy, made at once: whoever pushed may write into the samples while the stream works
    const frames = this.queue.then(() => this.#heard(sound));
    this.queue = frames.then(later).then(() => this.emotions.settle());
    this.queue.catch(() => {}); // whoever pushed hears of it, and so does everybody who pushes after that
    return frames;
  }

  /**
   * The sound has ended: all frames that are left; none where it had ended before.
   * @returns {Promise<StreamedFrame[]>}
   */
  flush() {
    if (this.ended) return Promise.resolve([]);
    this.ended = true;
    return this.queue.then(async () => {
      const heard = await this.emotions.flush();
      return heard.count || this.taken ? this.#show(heard, true) : [];
    });
  }

  async #heard(samples) {
    const made = [];
    this.samples += samples.length;
    for await (const heard of this.emotions.push(samples)) made.push(...(await this.#show(heard, false)));
    return made;
  }

  async #show(heard, last) {
    const { track, arkit, tongue, features } = this.constants;
    const moved = await this.face.push(heard, last);
    for (let due = moved.tongue.length / tongue.names.length; due > 0; due--) {
      this.times.push(features.frame_offset + this.taken++ / features.frame_rate);
    }
    this.weights.append(moved.weights);
    this.tongue.append(moved.tongue);
    if (heard.count) {
      const loudness = heard.speech.subarray(0, heard.count).reduce((sum, value) => sum + value, 0) / heard.count;
      this.said = { emotion: track.labels[heard.label], intensity: heard.intensity.at(-1), loudness };
    }
    this.bursts.push(heard);
    const at = this.#due(last);
    const weights = resampleRows(this.weights.values, arkit.names.length, this.times, at);
    const sunk = this.bursts.add(weights, at);
    const jaw = at.map((_, i) => weights[i * arkit.names.length + arkit.names.indexOf("jawOpen")]);
    const heads = this.idle?.add(weights, at, this.said, sunk) ?? new Float32Array(3 * at.length);
    const places = tongueWeights(resampleRows(this.tongue.values, tongue.names.length, this.times, at), jaw, tongue);
    this.number += at.length;
    const gone = Math.max(0, Math.min(placeIn(this.times, this.number / this.fps) - 1, this.times.length - 2));
    this.times.splice(0, gone);
    this.weights.drop(gone);
    this.tongue.drop(gone);
    return at.map((time, i) => this.#frame(time, i, weights, places, heads));
  }

  /** Times of the video frames that are due: at last as many in all as a recording has. */
  #due(last) {
    const known = this.times.length > 1;
    const newest = known ? this.times.at(-1) : -1;
    const whole = framesOf(this.samples / this.constants.features.sample_rate, this.fps);
    const at = [];
    for (let i = this.number; known && last ? i < whole : i / this.fps <= newest; i++) at.push(i / this.fps);
    return at;
  }

  #frame(time, i, weights, tongue, heads) {
    const row = (values, width) => values.slice(i * width, (i + 1) * width);
    const { arkit, tongue: places } = this.constants;
    const { emotion, intensity } = this.said;
    return {
      time: Math.round(time * 1e4) / 1e4,
      weights: row(weights, arkit.names.length),
      tongue: row(tongue, places.names.length),
      head: row(heads, 3),
      emotion,
      intensity,
    };
  }
}

/** Blinks, gaze and head motion at times that only go on. */
class Idle {
  constructor({ blinks, gaze, head }, fps, { idle, arkit }) {
    this.blinks = new BlinkStream(blinks, idle);
    this.gaze = new GazeStream(gaze, idle);
    this.head = new HeadStream(head, fps, idle);
    this.shapes = arkit.names.length;
    this.idle = idle;
    this.index = Object.fromEntries(arkit.names.map((name, k) => [name, k]));
  }

  /** Frames (T, 52) at some times, in place; gives the head's rotation vectors (T, 3), ``sunk`` (T) degrees lower. */
  add(weights, times, said, sunk) {
    const turns = this.head.next(times.length, said);
    inRadians(sunk).forEach((angle, i) => (turns[3 * i] += angle));
    times.forEach((time, i) => {
      const frame = weights.subarray(i * this.shapes, (i + 1) * this.shapes);
      lookAt(frame, this.gaze.at(time), turns.subarray(3 * i, 3 * i + 3), this.index, this.idle);
      closeLids(frame, this.blinks.at(time), this.index);
    });
    return turns;
  }
}

/** A turn of the event loop, so that finished frames are drawn before the diarizer goes on. */
function later() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
