/** Where somebody speaks or sings: over music, machines and animals the mouth rests, as ``voice_presence.py`` has it. */

import { clip } from "./filters.js";
import { joined } from "./rows.js";

/** How far each frame is a voice, from 0 to 1, of vectors that come in pieces of any length. */
export class PresenceStream {
  /** @param {Record<string, any>} constants ``constants.voice_presence`` */
  constructor(constants) {
    this.constants = constants;
    this.width = constants.rest.length;
    this.reach = Math.max(...constants.windows);
    /** Vectors of the frames before the next ones, as far as windows reach back. */
    this.past = new Float32Array(0);
    /** How far the last frames, each by itself, were a voice. */
    this.likely = new Array(constants.held_frames).fill(1);
    /** Frames at the beginning that are still taken for a voice: too little is known of them. */
    this.unjudged = constants.windows[0] - 1;
    this.last = 1;
  }

  /**
   * How far each of the next frames is a voice, (N).
   * @param {Float32Array} hidden (N, D) vectors of the next frames and of those after them, as far as they are known
   * @param {Uint8Array} speech (N) whether they are loud enough to be speech; in a pause the last one that was counts
   * @param {number} count how many of them are final; the others come again
   */
  push(hidden, speech, count) {
    const { constants: c, width } = this;
    const rows = joined([this.past, hidden]);
    const before = this.past.length / width;
    const around = [...this.likely];
    this.#logits(rows, before).forEach((logit, i) => {
      const alone = i < this.unjudged ? 1 : clip((c.no_voice - logit) / (c.no_voice - c.certain), 0, 1);
      around.push(speech[i] ? alone : around.at(-1));
    });
    const made = new Float32Array(around.length - c.held_frames);
    let { last } = this;
    for (let i = 0; i < made.length; i++) {
      const wanted = Math.max(...around.slice(i, i + c.held_frames + 1 + c.ahead_frames));
      last = Math.min(Math.max(wanted, last - c.closing_rate), last + c.opening_rate);
      made[i] = last;
      if (i + 1 === count) this.last = last;
    }
    const end = before + count;
    this.past = rows.slice(Math.max(0, end - this.reach) * width, end * width);
    this.likely = around.slice(0, c.held_frames + count).slice(-c.held_frames);
    this.unjudged = Math.max(0, this.unjudged - count);
    return made;
  }

  /** Logits of no voice of the rows from ``first`` on, by means and deviations over each window. */
  #logits(rows, first) {
    const { constants: c, width } = this;
    const count = rows.length / width;
    const logits = new Float64Array(count - first).fill(c.bias);
    for (let k = 0; k < width; k++) {
      c.windows.forEach((window, w) => {
        const [mean, deviation] = [c.weight[2 * w * width + k], c.weight[(2 * w + 1) * width + k]];
        let [sum, squares] = [0, 0];
        for (let i = Math.max(0, first - window); i < count; i++) {
          const value = rows[i * width + k];
          const gone = i - window >= Math.max(0, first - window) ? rows[(i - window) * width + k] : 0;
          sum += value - gone;
          squares += value * value - gone * gone;
          if (i < first) continue;
          const frames = Math.min(window, i + 1);
          const middle = sum / frames;
          logits[i - first] += mean * middle + deviation * Math.sqrt(Math.max(0, squares / frames - middle * middle));
        }
      });
    }
    return Array.from(logits);
  }
}

/**
 * How far each frame of a recording is a voice, (T).
 * @param {Float32Array} hidden (T, D)
 * @param {Uint8Array} speech (T)
 * @param {Record<string, any>} constants ``constants.voice_presence``
 */
export function voicePresence(hidden, speech, constants) {
  const stream = new PresenceStream(constants);
  const [width, count] = [constants.rest.length, speech.length];
  const first = Math.min(stream.reach + 1, count); // backwards, so that the beginning can be judged
  const rows = Array.from({ length: first }, (_, i) => hidden.subarray((first - 1 - i) * width, (first - i) * width));
  stream.push(joined(rows), speech.slice(0, first).reverse(), first);
  return stream.push(hidden, speech, count);
}

/**
 * What is read of sound, as of a pause where nobody speaks.
 * @template {{hidden: Float32Array, prosody: Float32Array, speech: ArrayLike<number>, lips: Float32Array, tongue: Float32Array, mouth: Float32Array}} Read
 * @param {Read} read (T, D) vectors of the lips' encoder, (T, 4), (T); posteriors of phones (T, 2) and (T, 3); (T, 52)
 * @param {Float32Array} presence (T) how far each frame is a voice; all ones: what is read itself
 * @param {Record<string, any>} constants ``constants.voice_presence``
 * @returns {Read}
 */
export function atRest(read, presence, constants) {
  if (presence.every((share) => share === 1)) return read;
  const count = presence.length;
  const towards = (values, rest) => {
    const width = values.length / count;
    return values.map((value, at) => {
      const usual = rest ? rest[at % width] : 0;
      return usual + presence[Math.floor(at / width)] * (value - usual);
    });
  };
  return {
    ...read,
    hidden: towards(read.hidden, constants.rest),
    prosody: towards(read.prosody, constants.rest_prosody),
    speech: Uint8Array.from(read.speech, (spoken, i) => (spoken && presence[i] > 0.5 ? 1 : 0)),
    lips: towards(read.lips),
    tongue: towards(read.tongue),
    mouth: towards(read.mouth),
  };
}
