/**
 * The motion decoder over stretches of any length: ARKit coefficients of speech and emotion.
 *
 * A graph takes some frames with all of its states, and gives them back: 64 of a recording, 4 of a stream. Frames come
 * out ``look_ahead`` frames later than they go in.
 */

import { clip } from "./filters.js";
import { DECODERS, joined } from "./networks.js";

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
    this.graph = DECODERS[kind].graph;
    this.step = DECODERS[kind].frames;
    const { decoder } = networks.constants;
    this.lookAhead = kind === "file" ? decoder.look_ahead : decoder.streaming_look_ahead;
    this.channels = { speech: decoder.hidden + 4, posterior: networks.constants.track.labels.length, intensity: 1 };
    this.states = null;
    /** Frames that went in and came out, and places before the first of them that stand for nothing. */
    this.taken = this.given = this.lead = 0;
    /** Places that went through the graphs. */
    this.places = 0;
  }

  /**
   * The next frames. After the first ones of a stream, multiples of the graph's frames until the last ones.
   * @param {{speech: Float32Array, posterior: Float32Array, intensity: Float32Array}} frames (T, D + 4), (T, 7), (T)
   * @param {boolean} last whether these are the last ones
   * @returns {Promise<Float32Array>} (N, 52) in [0, 1], of frames that are now certain
   */
  async push(frames, last) {
    const made = [];
    const count = frames.intensity.length;
    if (!this.taken && !last) this.lead = (this.step - (count % this.step)) % this.step;
    for (let at = 0; at < count; ) {
      const lead = this.taken ? 0 : this.lead;
      const taken = Math.min(this.step - lead, count - at);
      if (!last && lead + taken < this.step) throw new RangeError(`a stream takes multiples of ${this.step} frames`);
      made.push(await this.#run(frames, at, taken, lead));
      at += taken;
    }
    while (last && this.given < this.taken) made.push(await this.#run(frames, count, 0, 0));
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
    const made = await session.run({ ...feeds, ...this.states });
    for (const name of Object.keys(this.states)) this.states[name] = made[`next_${name}`];
    this.taken += count;
    const before = this.lead + this.lookAhead - this.places;
    const first = Math.max(0, before);
    const end = Math.max(first, Math.min(chunk, before + this.taken));
    this.places += chunk;
    this.given += end - first;
    const width = made.coefficients.dims[2];
    return made.coefficients.data.subarray(first * width, end * width).map((value) => clip(value, 0, 1));
  }
}

/** Zeros for every state that a graph takes beside what it is fed. */
function startingStates(session, feeds, networks) {
  const states = session.inputMetadata.filter(({ name }) => !(name in feeds));
  return Object.fromEntries(
    states.map(({ name, shape }) => {
      const one = shape.map((size) => (typeof size === "number" ? size : 1)); // one stream, where many may run together
      return [name, networks.tensor(new Float32Array(one.reduce((a, b) => a * b, 1)), one)];
    }),
  );
}
