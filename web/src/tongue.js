/** The tongue in speech: its tip behind the upper teeth, between the teeth, its back up; where the encoder says so. */

import { clip } from "./filters.js";
import { joined } from "./rows.js";

const PLACES = 3;

/**
 * How far the tongue is at each place (T, 3) in [0, 1]: each frame takes the strongest of the constrictions about it.
 * @param {Float32Array} posteriors (T, 3) of the places' phones
 * @param {Record<string, any>} c ``constants.tongue``
 */
export function constrictions(posteriors, c) {
  const [low, high] = c.onset;
  const there = posteriors.map((value) => clip((value - low) / (high - low), 0, 1));
  return there.map((_, at) => {
    let most = 0;
    for (let k = -c.reach; k <= c.reach; k++) {
      most = Math.max(most, c.ease[Math.abs(k)] * (there[at + PLACES * k] ?? 0));
    }
    return most;
  });
}

/**
 * Weights (T, 3) of constrictions (T, 3) where the jaw opens so far (T); the tip is at one place at a time.
 * @param {Float32Array} reached
 * @param {ArrayLike<number>} jaw
 * @param {Record<string, any>} c ``constants.tongue``
 */
export function tongueWeights(reached, jaw, c) {
  const weights = reached.slice();
  const [low, high] = c.passage;
  for (let i = 0; i < jaw.length; i++) {
    const [between, behind] = [PLACES * i + c.interdental, PLACES * i + c.alveolar];
    const ahead = reached[between] - reached[behind];
    weights[between] = Math.max(ahead, 0) * clip((jaw[i] - low) / (high - low), 0, 1);
    weights[behind] = Math.max(-ahead, 0);
  }
  return weights;
}

/** Constrictions while somebody speaks, as over the whole recording if posteriors do not change. */
export class TongueStream {
  /** @param {Record<string, any>} constants ``constants.tongue`` */
  constructor(constants) {
    this.constants = constants;
    this.posteriors = new Float32Array(0);
    this.given = 0;
  }

  /**
   * The next ``count`` frames, (count, 3).
   * @param {Float32Array} posteriors (M, 3) of the frames that are new
   * @param {Float32Array} ahead (K, 3) of the frames after these, not yet certain
   * @param {number} count frames that are due
   */
  push(posteriors, ahead, count) {
    const { reach } = this.constants;
    this.posteriors = joined([this.posteriors, posteriors]);
    const first = this.given;
    const last = first + count;
    const all = constrictions(joined([this.posteriors, ahead]), this.constants);
    const wanted = all.slice(PLACES * first, PLACES * last);
    const gone = Math.max(0, last - reach);
    this.posteriors = this.posteriors.slice(PLACES * gone);
    this.given = last - gone;
    return wanted;
  }
}
