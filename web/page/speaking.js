/** Speaking into the page: the face follows the microphone; what was said is kept as a recording. */

import { Microphone, RATE } from "./src/microphone.js";
import { joined } from "./src/rows.js";

/** @typedef {import("./src/frames.js").Frame} Frame */

/** Seconds of frames that wait while all is well: frames come in batches. */
const RESERVE = 0.1;
/** How fast the face catches up, times a second's excess; how much faster than life at most; and the excess that is skipped. */
const [CATCH_UP, FASTEST, SKIPPED] = [2, 0.5, 1];

/** Frames wait here until they are due, so that the face moves evenly however unevenly they come. */
export class FrameQueue {
  constructor() {
    /** @type {Frame[]} */
    this.frames = [];
    /** times of the newest frame and of what is shown, and when that was, seconds */
    this.newest = this.shown = -Infinity;
    this.at = 0;
  }

  /** @param {Frame[]} frames */
  push(frames) {
    if (!frames.length) return;
    if (this.newest === -Infinity) this.shown = frames[0].time;
    this.frames.push(...frames);
    this.newest = frames[frames.length - 1].time;
  }

  /** @param {number} now seconds of any clock @returns {Frame | null} the one to show; null: the last one stays */
  take(now) {
    const passed = now - this.at;
    this.at = now;
    const excess = this.newest - this.shown - RESERVE;
    if (excess > SKIPPED) this.shown = this.newest - RESERVE;
    else this.shown = Math.min(this.shown + passed * (1 + Math.min(Math.max(CATCH_UP * excess, 0), FASTEST)), this.newest);
    let due = null;
    while (this.frames.length && this.frames[0].time <= this.shown) due = this.frames.shift() ?? null;
    return due;
  }
}

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
