/**
 * SEDTalker in a web page or in Node: speech in, an emotional talking face out, and no server.
 *
 * ```js
 * import { SEDTalker } from "sedtalker";
 * const face = await SEDTalker.load("models");
 * const animation = await face.animate(samples, { fps: 30 });
 * ```
 */

import { AnimationStream } from "./animation_stream.js";
import { assemble } from "./assembly.js";
import { finite } from "./features.js";
import { checkedRate } from "./frames.js";
import { Networks } from "./networks.js";
import { idleGenerators } from "./random.js";
import { listen, move } from "./recipe.js";

export { ModelError } from "./networks.js";

/**
 * A finished animation. Arrays are flat, frame after frame.
 * @typedef {object} Animation
 * @property {number} fps frames a second; frame i is at i / fps seconds
 * @property {string[]} names (52) of ARKit's shapes
 * @property {Float32Array} weights (T, 52) in [0, 1]
 * @property {string[]} tongueNames (3)
 * @property {Float32Array} tongue (T, 3) in [0, 1]
 * @property {Float32Array} head (T, 3) rotation vectors, radians
 * @property {import("./emotion.js").Track} track the emotion, 50 frames a second
 */

/** @typedef {Pick<import("./emotion.js").Track, "posterior" | "intensity" | "segments"> & {bursts?: import("./bursts.js").Burst[]}} GivenEmotion */

/** The networks of a folder, and what can be made with them. */
export class SEDTalker {
  /** @param {Networks} networks */
  constructor(networks) {
    this.networks = networks;
  }

  /**
   * Opens a folder of models, as ``sedtalker models export --onnx`` writes it.
   * @param {string | URL} base URL of the folder; in Node its path, too
   * @param {Parameters<typeof Networks.load>[1]} [options] ``ort``: onnxruntime-web, where a page has it already
   */
  static async load(base, options) {
    return new SEDTalker(await Networks.load(base, options));
  }

  /** Numbers of the pipeline by section, as ``model.json`` holds them. */
  get constants() {
    return this.networks.constants;
  }

  /**
   * The face of a whole recording; what ``sedtalker animate`` makes of it.
   * @param {Float32Array} samples mono at 16 kHz in [-1, 1]
   * @param {object} [options]
   * @param {number} [options.fps] frames a second
   * @param {boolean} [options.idle] whether blinks, gaze, head motion and the rhythm of speech in the face are added
   * @param {number} [options.seed] of what is drawn for them; another number, another take
   * @param {(share: number) => void} [options.onprogress] called with the share that is done
   * @param {GivenEmotion} [options.emotion] what the face shows in place of what the voice expresses, on the frames of
   *   the track
   * @returns {Promise<Animation>}
   */
  async animate(samples, { fps = this.constants.idle.fps, idle = true, seed = 0, onprogress, emotion } = {}) {
    const { sample_rate: rate, shortest_seconds: least } = this.constants.features;
    const sound = finite(samples);
    if (!(sound.length >= least * rate)) throw new RangeError(`This sound is shorter than ${least} s: there is no syllable in it.`);
    checkedRate(fps);
    if (emotion && !(emotion.posterior && emotion.intensity && emotion.segments)) throw new TypeError("Give the emotion as a track has it: posterior, intensity and segments.");
    const generators = idle ? idleGenerators(seed, sound) : null;
    const progress = async (share) => onprogress?.(share);
    const heard = await listen(this.networks, sound, progress);
    if (emotion) heard.track = given(emotion, heard.track);
    const moved = await move(this.networks, heard, progress);
    return assemble(moved, heard, { fps, generators }, this.constants);
  }

  /**
   * The face while somebody speaks: sound is pushed into it, and video frames come out.
   * @param {ConstructorParameters<typeof AnimationStream>[1]} [options]
   * @returns {AnimationStream}
   */
  stream(options) {
    return new AnimationStream(this.networks, options);
  }

  /**
   * Video frames of pieces of sound, each as soon as it is final.
   * @param {AsyncIterable<Float32Array> | Iterable<Float32Array>} pieces mono at 16 kHz
   * @param {ConstructorParameters<typeof AnimationStream>[1]} [options]
   * @returns {AsyncGenerator<import("./animation_stream.js").StreamedFrame>}
   */
  async *listen(pieces, options) {
    const stream = this.stream(options);
    for await (const piece of pieces) yield* await stream.push(piece);
    yield* await stream.flush();
  }

  /** Gives the networks' memory back to onnxruntime, which keeps it for others; its streams end, too. */
  close() {
    return this.networks.close();
  }
}

/**
 * A track with another emotion.
 * @param {GivenEmotion} emotion
 * @param {import("./emotion.js").Track} track
 */
function given({ posterior, intensity, segments, bursts = [] }, track) {
  if (posterior.length !== track.posterior.length || intensity.length !== track.intensity.length) {
    throw new RangeError(`the emotion has ${intensity.length} frames and the sound ${track.intensity.length}`);
  }
  if (![posterior, intensity].every((values) => values.every(Number.isFinite))) throw new RangeError("the emotion holds what is no number");
  return { ...track, posterior: Float32Array.from(posterior), intensity: Float32Array.from(intensity), segments, bursts };
}
