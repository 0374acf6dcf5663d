/** Speaking into the page: the face follows the microphone; what was said is kept as a recording. */

import { Microphone } from "./src/microphone.js";

/** @typedef {import("./src/frames.js").Frame} Frame */

/** How fast the allowance for late frames shrinks, share a second. */
const FORGETS = 0.02;

/** Frames wait here until they are due, as evenly as they were spoken, however unevenly they come. */
export class FrameQueue {
  constructor() {
    /** @type {Frame[]} */
    this.frames = [];
    /** seconds from a frame's time to the page's clock */
    this.offset = -Infinity;
    this.last = 0;
  }

  /** @param {Frame[]} frames @param {number} now seconds of the page's clock */
  push(frames, now) {
    if (!frames.length) return;
    this.offset = Math.max(this.offset - FORGETS * (now - this.last), now - frames[0].time);
    this.last = now;
    this.frames.push(...frames);
  }

  /** @param {number} now @returns {Frame | null} the one to show; null: none is due */
  take(now) {
    let due = null;
    while (this.frames.length && this.frames[0].time + this.offset <= now) due = this.frames.shift() ?? null;
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
    for await (const samples of /** @type {Microphone} */ (this.microphone)) {
      this.blocks.push(samples);
      this.seconds += samples.length / 16000;
      if (this.seconds >= this.longest) this.stop();
      const spoken = this.seconds;
      const frames = await stream.push(samples);
      this.queue.push(frames, performance.now() / 1000);
      for (const frame of frames) this.#note(frame);
      if (frames.length) this.delay = spoken - frames[frames.length - 1].time;
    }
    await stream.close();
    const whole = new Float32Array(this.blocks.reduce((sum, block) => sum + block.length, 0));
    let at = 0;
    for (const block of this.blocks) {
      whole.set(block, at);
      at += block.length;
    }
    return whole;
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
