/**
 * The motion decoder over stretches of any length: ARKit coefficients of speech and emotion.
 *
 * A graph takes some frames with all of its states, and gives them back: 64 of a recording, 4 of a stream.
 */

import { clip } from "./filters.js";
import { DECODER_FRAMES, nextStates, startingStates } from "./networks.js";
import { joined } from "./rows.js";

/** Hidden vectors (T, D) and prosody (T, 4) to what the decoder reads, (T, D + 4). */
export function speechInput(hidden, prosody, { prosody_mean: mean, prosody_scale: scale }) {
  const frames = prosody.length / 4;
  const width = frames ? hidden.length / frames : 0;
  const out = new Float32Array(frames * (width + 4));
  for (let i = 0; i < frames; i++) {
    out.set(hidden.subarray(i * width, (i + 1) * width), i * (width + 4));
    for (let k = 0; k < 4; k++) out[i * (width + 4) + width + k] = (prosody[4 * i + k] - mean[k]) / scale[k];
  }
  return out;
}

/** A decoder's states, carried from stretch to stretch. */
export class MotionDecoder {
  /**
   * @param {import("./networks.js").Networks} networks
   * @param {"file" | "stream"} kind
   */
  constructor(networks, kind) {
    this.networks = networks;
    this.step = DECODER_FRAMES[kind];
    this.graph = `decoder_${this.step}`;
    const { decoder } = networks.constants;
    this.channels = { speech: decoder.hidden + 4, posterior: networks.constants.track.labels.length, intensity: 1 };
    this.states = null;
    /** Places of the first step, before its frames, that stand for nothing; null: nothing went in. */
    this.lead = null;
  }

  /**
   * The next frames. After the first ones of a stream, multiples of the graph's frames until the last ones.
   * @param {{speech: Float32Array, posterior: Float32Array, intensity: Float32Array}} frames (T, D + 4), (T, 7), (T)
   * @param {boolean} last whether these are the last ones
   * @returns {Promise<Float32Array>} (T, 52) in [0, 1]
   */
  async push(frames, last) {
    const made = [];
    const count = frames.intensity.length;
    if (count) this.lead ??= last ? 0 : (this.step - (count % this.step)) % this.step;
    for (let at = 0; at < count; ) {
      const taken = Math.min(this.step - this.lead, count - at);
      if (!last && this.lead + taken < this.step) throw new RangeError(`a stream takes multiples of ${this.step} frames`);
      made.push(await this.#run(frames, at, taken, this.lead));
      this.lead = 0;
      at += taken;
    }
    return joined(made);
  }

  async #run(frames, at, count, lead) {
    const { networks, step: chunk } = this;
    const session = await networks.session(this.graph);
    const feeds = { style: networks.tensor(new Float32Array(4), [1, 4]) };
    for (const [name, width] of Object.entries(this.channels)) {
      const values = new Float32Array(chunk * width);
      values.set(frames[name].subarray(at * width, (at + count) * width), lead * width);
      feeds[name] = networks.tensor(values, width === 1 ? [1, chunk] : [1, chunk, width]);
    }
    feeds.valid = networks.tensor(new Float32Array(chunk).fill(1, lead, lead + count), [1, chunk]);
    this.states ??= startingStates(session, feeds, networks);
    const made = await networks.run(session, { ...feeds, ...this.states });
    this.states = nextStates(made);
    const width = made.coefficients.dims[2];
    return made.coefficients.data.subarray(lead * width, (lead + count) * width).map((value) => clip(value, 0, 1));
  }
}
