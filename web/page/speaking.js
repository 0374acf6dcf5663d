/** Speaking into the page: the face follows the microphone; what was said is kept as a recording. */

import { FrameQueue } from "./src/frame_queue.js";
import { Microphone, RATE } from "./src/microphone.js";
import { joined } from "./src/rows.js";

/** @typedef {import("./src/frames.js").Frame} Frame */

/** One session with the microphone. */
export class Speaking {
  /** @param {any} face @param {number} longest seconds */
  constructor(face, longest) {
    this.face = face;
    this.longest = longest;
    this.queue = new FrameQueue();
    /** @type {Float32Array[]} */
    this.blocks = [];
    this.seconds = 0;
    /** @type {{rate: number, intensity: number[], segments: {start: number, end: number, label: string}[]}} */
    this.track = { rate: 30, intensity: [], segments: [] };
    /** seconds from the last sample of a frame's block to the frame */
    this.delay = 0;
  }

  /** Ask for the microphone. */
  async open() {
    this.microphone = await Microphone.open();
  }

  /** Until `stop()`, or the longest time is over. @returns {Promise<Float32Array>} what was said */
  async run() {
    const stream = this.face.stream({ fps: this.track.rate });
    try {
      for await (const samples of /** @type {Microphone} */ (this.microphone)) {
        this.blocks.push(samples);
        this.seconds += samples.length / RATE;
        if (this.seconds >= this.longest) this.stop();
        const spoken = this.seconds;
        const frames = await stream.push(samples);
        this.queue.push(frames);
        for (const frame of frames) this.#note(frame);
        if (frames.length) this.delay = spoken - frames[frames.length - 1].time;
      }
    } finally {
      stream.close().catch(() => {}); // not waited for: a worker that has failed does not answer
    }
    return joined(this.blocks);
  }

  stop() {
    this.microphone?.close();
  }

  /** @param {Frame} frame into the track that is shown meanwhile */
  #note({ time, emotion, intensity }) {
    const { segments, rate } = this.track;
    const last = segments[segments.length - 1];
    const end = time + 1 / rate;
    if (last && last.label === emotion) last.end = end;
    else segments.push({ start: last ? last.end : 0, end, label: emotion });
    this.track.intensity.push(intensity);
  }
}
