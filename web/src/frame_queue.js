/** Frames of a stream, each shown when it is due: they are made several at a time. */

/** @typedef {import("./frames.js").Frame} Frame */

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
    if (frames[0].time <= this.newest) [this.frames, this.newest] = [[], -Infinity]; // another stream begins
    if (this.newest === -Infinity) this.shown = frames[0].time;
    this.frames.push(...frames);
    this.newest = frames[frames.length - 1].time;
    // What a hidden page did not show in time is skipped, so it need not be kept.
    const late = this.newest - RESERVE - SKIPPED;
    this.frames.splice(0, this.frames.findIndex(({ time }) => time >= late));
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
