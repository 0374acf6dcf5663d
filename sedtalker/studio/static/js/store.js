/**
 * What the page knows, and who wants to be called when a part of it changes.
 *
 * Parts: state (all of it), document, track, weights, face, audio, jobs, selection, tool, live, connection, and frame, once a
 * picture.
 */

/** @typedef {{start: number, end: number, label: string, base_label: string, confidence: number, intensity: number, second: [string, number] | null, uncertain: boolean}} Segment */
/** @typedef {{segments: Segment[], settings: Record<string, any>, envelope: [number, number][], intensity: {points: [number, number][]}[], bursts: Burst[], edited: boolean}} Doc */
/** @typedef {{index: number, start: number, end: number, kind: string, confidence: number}} Burst */

class Store {
  constructor() {
    /** @type {any} the last answer of api/state; null before the first */
    this.state = null;
    /** @type {Doc | null} what is drawn; during a drag a preview of what the server will say */
    this.document = null;
    /** index of the chosen segment; -1: none */
    this.selected = -1;
    /** @type {{start: number, end: number} | null} */
    this.region = null;
    this.loop = false;
    this.snap = true;
    this.follow = true;
    /** @type {"select" | "draw"} */
    this.tool = "select";
    /** @type {Map<string, any>} jobs under way, by id */
    this.jobs = new Map();
    /** @type {{kind: string, result: any} | null} of the last job that ended well */
    this.lastResult = null;
    /** @type {"good" | "wait" | "bad"} */
    this.connection = "wait";
    /** @type {Map<string, Set<() => void>>} */
    this._watchers = new Map();
  }

  /** @param {string} parts names, by spaces @param {() => void} callback */
  on(parts, callback) {
    for (const part of parts.split(" ")) {
      if (!this._watchers.has(part)) this._watchers.set(part, new Set());
      this._watchers.get(part).add(callback);
    }
  }

  /** @param {...string} parts */
  changed(...parts) {
    const called = new Set();
    for (const part of parts) for (const callback of this._watchers.get(part) ?? []) called.add(callback);
    for (const callback of called) callback();
  }

  /** Seconds of the recording; 0 without one. */
  get duration() {
    return this.state?.duration ?? 0;
  }

  get hasAudio() {
    return Boolean(this.state?.audio);
  }

  /** @returns {string[]} the categories of emotion, in the order of the keys 1 to 7 */
  get labels() {
    return this.state?.labels ?? [];
  }

  /** @param {string} kind @returns {any} the job of that kind that is under way, if there is one */
  job(kind) {
    return [...this.jobs.values()].find((job) => job.kind === kind);
  }

  /** @param {string} label @returns {string} its colour */
  colour(label) {
    return this.state?.colours?.[label] ?? "#888888";
  }

  /** @returns {Segment[]} */
  get segments() {
    return this.document?.segments ?? [];
  }

  /** @param {number} time @returns {number} index of the segment there, -1 without one */
  segmentAt(time) {
    const list = this.segments;
    let low = 0;
    let high = list.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (time < list[middle].start) high = middle - 1;
      else if (time >= list[middle].end) low = middle + 1;
      else return middle;
    }
    return list.length && time >= list[list.length - 1].end ? list.length - 1 : -1;
  }

  /**
   * Take another document over; the choice stays with its segment, and is given up where that is gone.
   * @param {Doc | null} document
   * @param {boolean} [quietly] nobody is called
   */
  takeDocument(document, quietly = false) {
    // What the server said last: during a drag the document is a preview.
    const before = this.state?.document?.segments ?? [];
    this.document = document;
    const [old, list] = [before[this.selected], this.segments];
    let index = old ? list.findIndex((other) => other.start === old.start && other.end === old.end) : -1;
    const same = list[this.selected];
    // As many as before: an edge has moved.
    if (index < 0 && old && same && list.length === before.length && same.start < old.end && same.end > old.start) index = this.selected;
    if (quietly) this.selected = index;
    else this.select(index);
  }

  /** @param {number} index */
  select(index) {
    const bounded = Math.max(-1, Math.min(index, this.segments.length - 1));
    if (bounded === this.selected) return;
    this.selected = bounded;
    this.changed("selection");
  }
}

/** @param {Segment} segment @returns {boolean} whether somebody gave it another label than was predicted */
export const byHand = (segment) => segment.base_label !== segment.label;

export const store = new Store();
