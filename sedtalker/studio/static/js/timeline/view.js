/** The time axis that all lanes share, and where the lanes are. */

import { capital, clamp } from "../dom.js";
import { drawnCurves } from "../finer.js";
import { speakers } from "../speakers.js";
import { store } from "../store.js";

/** Pixels a second at most: a tick of 10 ms is then 40 pixels wide. */
const CLOSEST = 4000;

/** Pixels of the row of a fine-grained emotion. */
export const FINER_ROW = 24;

/** @typedef {{name: string, title: string, note: string, top: number, height: number, curve?: import("../finer.js").Curve, speaker?: number}} Lane */

/** Pixels of the strip of a speaker's turns, and of the lane below it of one who is not worked on, at least. */
export const TURNS_ROW = 20;
export const OTHER_ROW = 38;

/** name, title, note, least height, share of what is left (0 keeps the height), which speaker it belongs to */
/** @typedef {[string, string, string, number, number, number?]} Row */

const LANES = /** @type {Row[]} */ ([
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
    /** pixels that the lanes need at least */
    this.lowest = 0;
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

  /** Heights of the lanes: words only where there are some, a group for each speaker, and a row for each fine-grained emotion that is drawn. */
  arrange() {
    const curves = store.hasAudio ? drawnCurves() : [];
    const rows = curves.map((curve) => /** @type {Row} */ ([`finer ${curve.name}`, capital(curve.name), "", FINER_ROW, 0]));
    const own = grouped(LANES.filter(([name]) => name !== "words" || store.state?.words?.length));
    const shown = [...own.slice(0, -1), ...rows, ...own.slice(-1)];
    const least = shown.reduce((sum, lane) => sum + lane[3], 0);
    this.lowest = least;
    const shares = shown.reduce((sum, lane) => sum + lane[4], 0);
    const spare = Math.max(this.height - least, 0);
    let top = 0;
    this.lanes = shown.map(([name, title, note, height, share, speaker], i) => {
      const high = i === shown.length - 1 ? Math.max(this.height - top, height) : Math.round(height + (spare * share) / shares);
      const lane = { name, title, note, top, height: high, speaker, curve: curves.find((curve) => name === `finer ${curve.name}`) };
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

/** @param {Row[]} rows of one recording @returns {Row[]} with the lanes of each speaker in the place of its emotion and intensity */
function grouped(rows) {
  const all = store.hasAudio ? speakers() : [];
  if (!all.length) return rows;
  const first = rows.findIndex(([name]) => name === "emotion");
  const groups = all.flatMap((speaker, k) => /** @type {Row[]} */ ([
    [`speaker${k}`, speaker.name, "", TURNS_ROW, 0, k],
    ...(speaker.active ? rows.slice(first, first + 2).map((row) => [...row.slice(0, 5), k]) : [[`other${k}`, "", "", OTHER_ROW, 0.3, k]]),
  ]));
  return [...rows.slice(0, first), ...groups, ...rows.slice(first + 2)];
}

export const view = new View();
