/**
 * The clock of everything: the sound that plays. `time()` is what is heard now.
 *
 * A media element's `currentTime` already counts the delay of the sound card where the browser knows it; what it cannot
 * know (wireless headphones) is the user's offset. Between the element's own steps the time runs on smoothly.
 */

import { clamp } from "./dom.js";
import { store } from "./store.js";

const OFFSET_KEY = "sedtalker-studio-sound-delay";
/** Seconds of difference beyond which the smooth time jumps to the element's. */
const JUMP = 0.06;

class Clock {
  constructor() {
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.rate = 1;
    /** factor of J and L: negative plays silently backwards */
    this.shuttle = 1;
    this.delay = Number(localStorage.getItem(OFFSET_KEY)) || 0;
    this._time = 0;
    this._at = performance.now();
    this._backwards = false;
    for (const event of ["play", "pause", "ended", "ratechange"]) this.audio.addEventListener(event, () => store.changed("transport"));
    this.audio.addEventListener("ended", () => {
      if (!store.loop || !store.region) return;
      this.seek(store.region.start); // the sound is over before `tick` sees the end of a region that lies there
      this.play();
    });
    this.audio.addEventListener("seeked", () => { if (!this._backwards) this._time = this.audio.currentTime; });
  }

  /** @param {string} url */
  load(url) {
    this.pause();
    this.audio.src = url;
    this._time = 0;
  }

  get playing() {
    return this._backwards || (!this.audio.paused && !this.audio.ended);
  }

  /** Seconds of the recording that are heard now. */
  time() {
    return this._time;
  }

  /** Seconds that the picture shows: the heard ones less the delay that the user set. */
  shownTime() {
    return clamp(this._time - (this.playing ? this.delay : 0), 0, store.duration || Infinity);
  }

  /** @param {number} seconds of delay behind the clock */
  setDelay(seconds) {
    this.delay = seconds;
    localStorage.setItem(OFFSET_KEY, String(seconds));
  }

  /** Once a frame, before anything is drawn. */
  tick() {
    const now = performance.now();
    const passed = (now - this._at) / 1000;
    this._at = now;
    if (this._backwards) {
      this._time = Math.max(0, this._time + passed * this.shuttle);
      if (this._time <= this._start()) this.pause();
      return;
    }
    const own = this.audio.currentTime;
    if (!this.playing || this.audio.seeking) {
      if (!this.audio.seeking) this._time = own;
      return;
    }
    const expected = this._time + passed * this.audio.playbackRate;
    const error = own - expected;
    this._time = Math.abs(error) > JUMP ? own : expected + 0.25 * error;
    const region = store.loop ? store.region : null;
    if (region && this._time >= region.end) this.seek(region.start);
  }

  _start() {
    return store.loop && store.region ? store.region.start : 0;
  }

  /** @param {number} seconds */
  seek(seconds) {
    this._time = clamp(seconds, 0, store.duration);
    this.audio.currentTime = this._time;
    this._at = performance.now();
    store.changed("seek");
  }

  async play() {
    if (!store.hasAudio) return;
    this._stopBackwards();
    if (this._time >= store.duration - 0.02) this.seek(this._start());
    if (store.loop && store.region && (this._time < store.region.start || this._time >= store.region.end)) this.seek(store.region.start);
    this.audio.playbackRate = this.rate * Math.max(this.shuttle, 0.0625);
    this._at = performance.now();
    await this.audio.play();
  }

  pause() {
    this._stopBackwards();
    this.audio.pause();
    this.shuttle = 1;
    store.changed("transport");
  }

  async toggle() {
    if (this.playing) this.pause();
    else await this.play();
  }

  /** @param {number} rate of the sound, 1 is as recorded */
  setRate(rate) {
    this.rate = rate;
    this.audio.playbackRate = rate * Math.max(this.shuttle, 0.0625);
  }

  /** @param {1 | -1} direction L and J: faster each time */
  async push(direction) {
    const same = this.playing && Math.sign(this.shuttle) === direction;
    this.shuttle = same ? clamp(this.shuttle * 2, -8, 4) : direction;
    if (direction > 0) {
      await this.play();
      return;
    }
    const time = this._time;
    this.audio.pause();
    this._backwards = true;
    this._time = time;
    this._at = performance.now();
    store.changed("transport");
  }

  _stopBackwards() {
    if (!this._backwards) return;
    this._backwards = false;
    this.audio.currentTime = this._time;
  }
}

export const clock = new Clock();
