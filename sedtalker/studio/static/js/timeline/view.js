/** The time axis that all lanes share, and where the lanes are. */

import { capital, clamp } from "../dom.js";
import { drawnCurves } from "../finer.js";
import { store } from "../store.js";

/** Pixels a second at most: a tick of 10 ms is then 40 pixels wide. */
const CLOSEST = 4000;

/** Pixels of the row of a fine-grained emotion. */
export const FINER_ROW = 24;

/** @typedef {{name: string, title: string, note: string, top: number, height: number, curve?: import("../finer.js").Curve}} Lane */

/** name, title, note, least height, share of what is left; a share of 0 keeps the height */
const LANES = /** @type {[string, string, string, number, number][]} */ ([
  ["ruler", "", "", 22, 0],
  ["wave", "Sound", "", 34, 0.9],
  ["words", "Words", "", 20, 0],
  ["emotion", "Emotion", "posterior", 56, 1.2],
  ["intensity", "Intensity", "0 to 1", 54, 1.5],
  ["plane", "Valence", "Arousal", 34, 0.6],
  ["mouth", "Mouth", "opening", 24, 0.4],
]);

class View {
  constructor() {
    this.start = 0;
    this.scale = 50;
    this.width = 1;
    this.height = 1;
    /** whether the lanes have their names beside them */
    this.heads = true;
    /** @type {Lane[]} */
    this.lanes = [];
    /** counts changes, for those who draw */
    this.version = 0;
  }

  get end() {
    return this.start + this.width / this.scale;
  }

  get least() {
    return this.width / Math.max(store.duration, 0.1);
  }

  /** @param {number} time @returns {number} pixels from the left */
  x(time) {
    return (time - this.start) * this.scale;
  }

  /** @param {number} x @returns {number} seconds */
  time(x) {
    return this.start + x / this.scale;
  }

  /** @param {string} name @returns {Lane | undefined} */
  lane(name) {
    return this.lanes.find((lane) => lane.name === name);
  }

  /** @param {number} y @returns {Lane | undefined} */
  laneAt(y) {
    return this.lanes.find((lane) => y >= lane.top && y < lane.top + lane.height);
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    const whole = this.scale <= this.least * 1.001;
    this.width = Math.max(width, 1);
    this.height = Math.max(height, 1);
    this.arrange();
    if (whole) this.fit();
    else this.#bound();
  }

  /** Heights of the lanes: words only where there are some, and a row for each fine-grained emotion that is drawn. */
  arrange() {
    const curves = store.hasAudio ? drawnCurves() : [];
    const rows = curves.map((curve) => /** @type {[string, string, string, number, number]} */ ([`finer ${curve.name}`, capital(curve.name), "", FINER_ROW, 0]));
    const own = LANES.filter(([name]) => name !== "words" || store.state?.words?.length);
    const shown = [...own.slice(0, -1), ...rows, ...own.slice(-1)];
    const least = shown.reduce((sum, lane) => sum + lane[3], 0);
    const shares = shown.reduce((sum, lane) => sum + lane[4], 0);
    const spare = Math.max(this.height - least, 0);
    let top = 0;
    this.lanes = shown.map(([name, title, note, height, share], i) => {
      const high = i === shown.length - 1 ? Math.max(this.height - top, height) : Math.round(height + (spare * share) / shares);
      const lane = { name, title, note, top, height: high, curve: curves.find((curve) => name === `finer ${curve.name}`) };
      top += high;
      return lane;
    });
    this.version += 1;
  }

  #bound() {
    this.scale = clamp(this.scale, this.least, CLOSEST);
    const spare = store.duration - this.width / this.scale;
    this.start = clamp(this.start, 0, Math.max(spare, 0));
    this.version += 1;
  }

  /** The whole recording. */
  fit() {
    this.scale = this.least;
    this.start = 0;
    this.#bound();
  }

  /** @param {number} factor above 1 is closer @param {number} [x] what stays where it is */
  zoom(factor, x = this.width / 2) {
    const time = this.time(x);
    this.scale = clamp(this.scale * factor, this.least, CLOSEST);
    this.start = time - x / this.scale;
    this.#bound();
  }

  /** @param {number} pixels to the right */
  scroll(pixels) {
    this.start += pixels / this.scale;
    this.#bound();
  }

  /** @param {number} start @param {number} end show these seconds */
  show(start, end) {
    this.scale = this.width / Math.max(end - start, 1e-3);
    this.start = start;
    this.#bound();
  }

  /** @param {number} time scroll so that it is seen; a page further when it leaves the right edge */
  reveal(time) {
    const x = this.x(time);
    if (x >= 0 && x <= this.width * 0.96) return;
    this.start = time - (this.width * 0.08) / this.scale;
    this.#bound();
  }
}

export const view = new View();
