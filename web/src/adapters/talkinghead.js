/**
 * The face on TalkingHead (met4citizen): its morph targets have ARKit's names. Values go in as `realtime`, the state that
 * its own lip-sync of a stream uses: they hold over its animations and moods until `release()`.
 */

import { clip } from "../filters.js";
import { LIVE_LINK, SHAPES } from "../tables.js";

/** Rig of TalkingHead: what it calls both eyes' looks together. */
const PAIRS = /** @type {Record<string, [string, string]>} */ ({
  eyesLookUp: ["eyeLookUpLeft", "eyeLookUpRight"],
  eyesLookDown: ["eyeLookDownLeft", "eyeLookDownRight"],
});

/** Shapes of each eye that look opposite ways, and the axis and direction of the head that they were turned against. */
const OPPOSITE = /** @type {[string, string, 0 | 1, 1 | -1][]} */ ([
  ["eyeLookOutLeft", "eyeLookInLeft", 1, 1],
  ["eyeLookInRight", "eyeLookOutRight", 1, 1],
  ["eyeLookUpLeft", "eyeLookDownLeft", 0, -1],
  ["eyeLookUpRight", "eyeLookDownRight", 0, -1],
]);

/**
 * Weights (52) whose eyes look as on a head that stands still: TalkingHead turns its head in its own way.
 * @param {ArrayLike<number>} weights
 * @param {ArrayLike<number>} head rotation vector, radians
 */
export function withoutHead(weights, head) {
  const shown = Float32Array.from(weights);
  for (const [name, other, axis, sign] of OPPOSITE) {
    const [to, from] = [SHAPES.names.indexOf(name), SHAPES.names.indexOf(other)];
    const turn = shown[to] - shown[from] + (sign * head[axis]) / LIVE_LINK.eyeTurn;
    [shown[to], shown[from]] = [clip(turn, 0, 1), clip(-turn, 0, 1)];
  }
  return shown;
}

/** Drives a `TalkingHead`. */
export class TalkingHeadFace {
  /** @param {any} head a `TalkingHead` that shows an avatar */
  constructor(head) {
    const { names } = SHAPES;
    this.head = head;
    /** @type {{target: string, columns: number[]}[]} */
    this.driven = [];
    const has = (/** @type {string} */ target) => Object.hasOwn(head.mtAvatar, target);
    const paired = new Set();
    for (const [target, pair] of Object.entries(PAIRS)) {
      if (!has(target)) continue;
      this.driven.push({ target, columns: pair.map((name) => names.indexOf(name)) });
      pair.forEach((name) => paired.add(name));
    }
    names.forEach((name, column) => {
      if (!paired.has(name) && has(name)) this.driven.push({ target: name, columns: [column] });
    });
    if (!this.driven.length) throw new Error("This avatar has no morph targets with the names of ARKit's shapes.");
  }

  /** @param {{weights: ArrayLike<number>, head: ArrayLike<number>}} frame the head keeps TalkingHead's own motion */
  apply({ weights, head }) {
    const shown = withoutHead(weights, head);
    for (const { target, columns } of this.driven) {
      const value = columns.reduce((sum, column) => sum + shown[column], 0) / columns.length;
      this.#set(target, value);
    }
  }

  /** Give the avatar back to TalkingHead's own animations. */
  release() {
    for (const { target } of this.driven) this.#set(target, null);
  }

  /** @param {string} target @param {number | null} value */
  #set(target, value) {
    Object.assign(this.head.mtAvatar[target], { realtime: value, needsUpdate: true });
  }
}
