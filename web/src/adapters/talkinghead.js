/**
 * The face on TalkingHead (met4citizen): its morph targets have ARKit's names. Values go in as `realtime`, the state that
 * its own lip-sync of a stream uses: they hold over its animations and moods until `release()`.
 */

import { SHAPES } from "../tables.js";

/** Rig of TalkingHead: what it calls both eyes' looks together. */
const PAIRS = /** @type {Record<string, [string, string]>} */ ({
  eyesLookUp: ["eyeLookUpLeft", "eyeLookUpRight"],
  eyesLookDown: ["eyeLookDownLeft", "eyeLookDownRight"],
});

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

  /** @param {{weights: ArrayLike<number>}} frame the head keeps TalkingHead's own motion */
  apply({ weights }) {
    for (const { target, columns } of this.driven) {
      const value = columns.reduce((sum, column) => sum + weights[column], 0) / columns.length;
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
