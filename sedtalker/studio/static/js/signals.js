/**
 * The numbers over time: the emotion track, the peaks of the sound, and the weights of the face.
 * Each is one typed array for the whole recording, filled in pieces.
 */

import { getFloats } from "./api.js";
import { clamp } from "./dom.js";

/** Columns of the track: the posterior comes first. */
export const INTENSITY = 7;
export const VALENCE = 8;
export const AROUSAL = 9;
const TRACK_COLUMNS = 11;
/** Rows of the shortest level of a pyramid, at least. */
const SHORTEST_LEVEL = 64;

/** Rows over ever longer stretches, so that a whole recording is drawn from as many rows as there are pixels. */
class Pyramid {
  /** @param {Float32Array} rows @param {number} columns @param {number} rate rows a second @param {(a: number, b: number, column: number) => number} merged one value for those of two neighbours */
  constructor(rows, columns, rate, merged) {
    let level = { rows, rate, count: rows.length / columns };
    this.levels = [level];
    while (level.count >= 2 * SHORTEST_LEVEL) {
      const below = level.rows;
      level = { rows: new Float32Array(Math.floor(level.count / 2) * columns), rate: level.rate / 2, count: Math.floor(level.count / 2) };
      for (let i = 0; i < level.count; i++) {
        for (let c = 0, at = 2 * i * columns; c < columns; c++, at++) level.rows[i * columns + c] = merged(below[at], below[at + columns], c);
      }
      this.levels.push(level);
    }
  }

  /** @param {number} pixels a second of the picture @returns {{rows: Float32Array, rate: number, count: number}} at least a row a pixel where there are so many */
  at(pixels) {
    return this.levels.findLast((level) => level.rate >= pixels) ?? this.levels[0];
  }
}

/** @type {(a: number, b: number) => number} */
const mean = (a, b) => (a + b) / 2;

/** Curves over time, a row every 20 ms: the dense emotion track, or its further curves. */
export class Track {
  /** @param {string} path under `api/` @param {number} columns */
  constructor(path, columns) {
    this.path = path;
    this.rate = 50;
    this.columns = columns;
    this.clear();
  }

  /** Forget everything. */
  clear() {
    this.revision = -1;
    this.#take(new Float32Array(0));
  }

  /** @param {Float32Array} rows all of them */
  #take(rows) {
    this.rows = rows;
    this.pyramid = new Pyramid(rows, this.columns, this.rate, mean);
  }

  /** @returns {number} how many rows there are */
  get count() {
    return this.rows.length / this.columns;
  }

  /** @param {[number, number] | null} span seconds; null: all of it */
  async load(span) {
    const query = span ? `?from=${span[0].toFixed(4)}&to=${span[1].toFixed(4)}` : "";
    const { values, header } = await getFloats(`${this.path}${query}`);
    const [revision, first] = [header("X-Revision"), header("X-Start-Index") * this.columns];
    // What was asked for before an edit may come after what was asked for later: it is of no use any more.
    if (revision < this.revision || (span && first + values.length > this.rows.length)) return this.load(null);
    this.revision = revision;
    this.rate = header("X-Rate");
    if (span) this.rows.set(values, first);
    else this.columns = header("X-Columns");
    this.#take(span ? this.rows : values);
  }

  /** See `Pyramid`. @param {number} pixels */
  at(pixels) {
    return this.pyramid.at(pixels);
  }

  /** @param {number} time @param {number} column @returns {number} interpolated */
  value(time, column) {
    const count = this.count;
    if (!count) return 0;
    const place = clamp(time * this.rate - 0.5, 0, count - 1);
    const index = Math.floor(place);
    const next = Math.min(index + 1, count - 1);
    const a = this.rows[index * this.columns + column];
    return a + (this.rows[next * this.columns + column] - a) * (place - index);
  }
}

/** Least and greatest sample of stretches of the sound. */
class Peaks {
  constructor() {
    this.#take(new Float32Array(0), 1);
  }

  /** @param {Float32Array} pairs @param {number} rate of them */
  #take(pairs, rate) {
    this.loudest = pairs.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-4);
    this.pyramid = new Pyramid(pairs, 2, rate, (a, b, column) => (column ? Math.max(a, b) : Math.min(a, b)));
  }

  /** @param {number} duration */
  async load(duration) {
    const bins = clamp(Math.ceil(duration * 2000), 16, 600000);
    const { values } = await getFloats(`peaks?bins=${bins}`);
    this.#take(values, values.length / 2 / Math.max(duration, 1e-6));
  }

  /** See `Pyramid`. @param {number} pixels */
  at(pixels) {
    return this.pyramid.at(pixels);
  }
}

/** Seconds of weights fetched at once in the background, and four times as many of a recording that is decoded as a whole. */
const PIECE = 30;
/** Seconds from the cursor on that are fetched before the server has decoded the whole recording, which makes all others quick. */
const AHEAD = 120;
/** Milliseconds between two looks whether it has, or whether the cursor has moved on, and how many looks at most. */
const [LOOK, LOOKS] = [100, 200];

/** The face over time: a row a video frame, of expanded weights, head rotation × 3 and mouth opening. */
export class Weights {
  /** @param {"a" | "b"} variant */
  constructor(variant) {
    this.variant = variant;
    this.reset(0);
  }

  /** @param {number} duration forget everything */
  reset(duration) {
    this.duration = duration;
    this.fps = 30;
    this.columns = 0;
    this.revision = -1;
    this.widestMouth = 1e-6;
    this.rows = new Float32Array(0);
    this.known = new Uint8Array(0);
    this.filling = null;
    /** counts changes of the rows, for those who draw them */
    this.version = (this.version ?? 0) + 1;
  }

  get count() {
    return this.known.length;
  }

  /** @param {[number, number]} span seconds to fetch @returns {Promise<void>} */
  async load(span) {
    const path = `weights.bin?from=${Math.max(span[0], 0).toFixed(4)}&to=${span[1].toFixed(4)}&variant=${this.variant}`;
    const { values, header } = await getFloats(path);
    const revision = header("X-Revision");
    if (revision < this.revision) return;
    this.revision = revision;
    const [columns, fps, first, frames] = ["X-Columns", "X-Fps", "X-Start-Frame", "X-Frames"].map(header);
    const total = Math.max(Math.round(this.duration * fps), first + frames, 1);
    if (columns !== this.columns || fps !== this.fps || total > this.count) this.#resize(columns, fps, total);
    this.rows.set(values.subarray(0, frames * columns), first * columns);
    this.known.fill(1, first, first + frames);
    for (let i = columns - 1; i < values.length; i += columns) this.widestMouth = Math.max(this.widestMouth, values[i]);
    this.version += 1;
  }

  /** @param {number} columns @param {number} fps @param {number} total */
  #resize(columns, fps, total) {
    const keeps = columns === this.columns && fps === this.fps;
    const rows = new Float32Array(total * columns);
    const known = new Uint8Array(total);
    if (keeps) {
      rows.set(this.rows.subarray(0, rows.length));
      known.set(this.known.subarray(0, total));
    }
    Object.assign(this, { rows, known, columns, fps });
  }

  /** @param {[number, number]} span seconds that are no longer right; they stay on screen until the new ones come */
  forget(span) {
    this.known.fill(0, Math.max(Math.floor(span[0] * this.fps), 0), Math.min(Math.ceil(span[1] * this.fps) + 1, this.count));
  }

  /**
   * @param {number} time @param {boolean} whole whether the recording is decoded as a whole
   * @returns {[number, number] | null} seconds to fetch next, those from `time` on first; null: nothing is missing, or only what is far from there and not decoded
   */
  missing(time, whole) {
    if (!this.count) return this.duration > 0 ? [0, Math.min(this.duration, PIECE)] : null;
    const from = clamp(Math.floor(time * this.fps), 0, this.count - 1);
    let first = this.known.indexOf(0, from);
    if (!whole && (first < 0 || first >= from + AHEAD * this.fps)) return null;
    if (first < 0) first = this.known.indexOf(0);
    if (first < 0) return null;
    const next = this.known.indexOf(1, first);
    const last = Math.min(next < 0 ? this.count : next, first + (whole ? 4 : 1) * PIECE * this.fps);
    return [first / this.fps, last / this.fps];
  }

  /**
   * Fetch what is missing, piece after piece.
   * @param {() => number} now where the cursor is
   * @param {() => void} arrived called after each piece
   * @param {() => boolean} whole whether the server has decoded the recording as a whole
   */
  async fill(now, arrived, whole) {
    const ticket = {};
    this.filling = ticket;
    const next = async () => {
      for (let looks = 0; looks < LOOKS && this.filling === ticket && !this.missing(now(), whole()) && this.missing(now(), true); looks++) await new Promise((soon) => setTimeout(soon, LOOK));
      return this.missing(now(), whole()) ?? this.missing(now(), true);
    };
    for (let span = await next(); span && this.filling === ticket; span = await next()) {
      const before = this.known.reduce((sum, x) => sum + x, 0);
      await this.load(span);
      arrived();
      if (this.known.reduce((sum, x) => sum + x, 0) <= before) return;
    }
  }

  /**
   * The row at a time, linear between frames.
   * @param {number} time @param {Float32Array} out at least `columns` long
   * @returns {boolean} whether there is one
   */
  sample(time, out) {
    const { rows, columns, count } = this;
    if (!count || !columns) return false;
    const place = clamp(time * this.fps, 0, count - 1);
    const index = Math.floor(place);
    const share = place - index;
    const a = index * columns;
    const b = Math.min(index + 1, count - 1) * columns;
    for (let c = 0; c < columns; c++) out[c] = rows[a + c] + (rows[b + c] - rows[a + c]) * share;
    return true;
  }
}

/** Rows of posterior × 7, intensity, valence, arousal, confidence. */
export const track = new Track("track.bin", TRACK_COLUMNS);
/** A column for each of the track's further curves, such as fine-grained emotions. */
export const extras = new Track("extras.bin", 1);
export const peaks = new Peaks();
export const weights = { a: new Weights("a"), b: new Weights("b") };
