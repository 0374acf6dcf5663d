/** From frame posteriors to segments: the most likely sequence in which nothing is shorter than a minimum duration. */

import { clip, runsOf } from "./filters.js";

/**
 * What it costs to begin another segment at each frame.
 * @param {Record<string, number>} rule ``constants.segments``
 * @param {Uint8Array} speech (T)
 * @param {Float32Array} [boundary] (T) probability that the emotion changes about here
 */
export function changeCosts(rule, speech, boundary) {
  const cost = Float64Array.from(speech, (speaks) => (speaks ? rule.cost : rule.cost * rule.pause_discount));
  if (!boundary || !boundary.some((value) => value !== 0)) return cost;
  return cost.map((usual, i) => {
    const likely = clip(boundary[i], 0.003, 0.997);
    const odds = Math.log(likely / (1 - likely));
    return Math.max(usual - rule.boundary_gain * (odds - rule.usual_odds), rule.lowest_cost);
  });
}

/**
 * The label of every frame: a hidden semi-Markov model with a uniform duration beyond the minimum.
 * @param {Float32Array} posterior (T, C), rows sum to 1
 * @param {number} classes C
 * @param {number} rate frames a second
 * @param {Record<string, number>} rule
 * @param {Uint8Array} [speech] (T) frames that count; by default all
 * @param {Float32Array} [boundary] see ``changeCosts``
 * @returns {Int32Array} (T)
 */
export function decodeLabels(posterior, classes, rate, rule, speech, boundary) {
  const frames = posterior.length / classes;
  const counts = speech ?? new Uint8Array(frames).fill(1);
  const evidence = Float64Array.from(posterior, (value, i) => evidenceOf(value, counts[Math.floor(i / classes)], rate));
  const summed = new Float64Array((frames + 1) * classes);
  evidence.forEach((value, i) => (summed[i + classes] = summed[i] + value));
  const cost = changeCosts(rule, counts, boundary);
  const shortest = Math.max(1, Math.round(rule.shortest * rate));
  const row = (values, t) => values.subarray(t * classes, (t + 1) * classes);
  if (frames <= shortest) return new Int32Array(frames).fill(strongest(row(summed, frames)));
  const best = new Float64Array((frames + 1) * classes).fill(-Infinity); // nothing ends before the shortest
  const entered = new Int32Array((frames + 1) * classes);
  row(best, shortest).set(row(summed, shortest));
  for (let t = shortest + 1; t <= frames; t++) {
    const from = t - shortest;
    const before = Math.max(...row(best, from)) - cost[from];
    for (let c = 0; c < classes; c++) {
      const here = t * classes + c;
      const stay = best[here - classes] + evidence[here - classes];
      const change = before + summed[here] - summed[from * classes + c];
      const better = change > stay + rule.equal;
      best[here] = better ? change : stay;
      entered[here] = better ? from : entered[here - classes];
    }
  }
  const labels = new Int32Array(frames);
  for (let t = frames; t > 0; ) {
    const label = strongest(row(best, t));
    const start = entered[t * classes + label];
    labels.fill(label, start, t);
    t = start;
  }
  return labels;
}

function evidenceOf(probability, counts, rate) {
  return counts ? Math.log(Math.max(probability, 1e-6)) * (1 / rate) : 0;
}

/** The index of the greatest value, the first of equals. */
export function strongest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/**
 * (first, end, label) of each run of equal labels.
 * @param {ArrayLike<number>} labels
 * @returns {[number, number, number][]}
 */
export function runs(labels) {
  /** @type {[number, number, number][]} */
  const found = [];
  for (let first = 0, i = 1; i <= labels.length; i++) {
    if (i < labels.length && labels[i] === labels[first]) continue;
    found.push([first, i, labels[first]]);
    first = i;
  }
  return labels.length ? found : [];
}

/**
 * Spans of one label in the order of time, without long pauses and silence at the ends; none without any speech.
 * @param {import("./emotion.js").Track} track
 * @param {Record<string, any>} constants ``constants.track``: shortest, cost, silence
 * @param {Record<string, number>} rule ``constants.segments``
 */
export function segmentsOf(track, constants, rule) {
  const { labels: names, rate, posterior, intensity, speech, recognised, duration, offset } = track;
  const classes = names.length;
  const count = intensity.length;
  if (!speech.includes(1)) return [];
  const quick = { ...rule, shortest: constants.shortest, cost: constants.cost };
  const labels = new Int32Array(count).fill(-1);
  const spoken = new Uint8Array(count).fill(1);
  for (const [first, end] of runsOf(speech.map((speaks) => 1 - speaks))) {
    if (first === 0 || end === count || end - first >= constants.silence * rate) spoken.fill(0, first, end);
  }
  for (const [first, end] of runsOf(spoken)) {
    labels.set(decodeLabels(posterior.subarray(first * classes, end * classes), classes, count > 1 ? rate : 1, quick), first);
  }
  const timeOf = (i) => offset + i / rate;
  const edge = (i) => {
    if (i === 0) return 0;
    return i < count ? (timeOf(i - 1) + timeOf(i)) / 2 : Math.max(duration, timeOf(count - 1));
  };
  return runs(labels).filter(([, , label]) => label >= 0).map(([first, end, label]) => {
    const spoken = speech.subarray(first, end).includes(1);
    let [sum, frames, strength] = [0, 0, 0];
    for (let i = first; i < end; i++) {
      strength += intensity[i];
      if (spoken && !speech[i]) continue;
      sum += recognised.posterior[i * classes + label];
      frames += 1;
    }
    const means = { intensity: strength / (end - first), confidence: sum / frames };
    return { start: edge(first), end: edge(end), label: names[label], ...means };
  });
}

/**
 * The same model decided with a lag: labels never change once said.
 *
 * Its states are a category and how many frames it has lasted, up to the minimum duration. Each decision takes the best
 * path through all that is known; then every path that disagrees with it is dropped.
 */
export class LiveSegmentation {
  /**
   * @param {number} classes
   * @param {number} rate frames a second
   * @param {Record<string, number>} rule ``constants.segments``
   */
  constructor(classes, rate, rule) {
    this.classes = classes;
    this.rate = rate;
    this.rule = rule;
    this.shortest = Math.max(1, Math.round(rule.shortest * rate));
    /** (D, C) scores of paths whose last segment has lasted 1 … D frames. */
    this.score = new Float64Array(this.shortest * classes).fill(-Infinity);
    this.begun = false;
  }

  /**
   * Labels of the next frames.
   * @param {Float32Array} posterior (T, C) of all frames that are not yet decided, as far as they are known
   * @param {Uint8Array} speech (T)
   * @param {number} count how many of them are decided now
   * @param {boolean} last whether the sound ends with these frames
   * @param {Float32Array} [boundary] see ``changeCosts``
   * @returns {Int32Array} (count)
   */
  decide(posterior, speech, count, last, boundary) {
    if (!count) return new Int32Array(0);
    const { classes, shortest, rate } = this;
    const states = shortest * classes;
    const cost = changeCosts(this.rule, speech, boundary);
    let score = this.score;
    let begun = this.begun;
    let paths = { score, labels: new Int32Array(states * count) };
    let decided = null;
    for (let t = 0; t < speech.length; t++) {
      const evidence = new Float64Array(classes);
      for (let c = 0; c < classes; c++) evidence[c] = evidenceOf(posterior[t * classes + c], speech[t], rate);
      paths = this.#step(paths.score, paths.labels, count, evidence, cost[t], begun);
      begun = true;
      if (t < count) {
        for (let s = 0; s < states; s++) paths.labels[s * count + t] = s % classes;
      }
      if (t === count - 1) decided = paths;
    }
    score = paths.score;
    const final = score.subarray(states - classes);
    const from = last && final.some(Number.isFinite) ? states - classes : 0;
    const best = from + strongest(score.subarray(from));
    const labels = paths.labels.slice(best * count, (best + 1) * count);
    this.begun = true;
    this.score = decided.score.map((value, s) => {
      const path = decided.labels.subarray(s * count, (s + 1) * count);
      return path.every((label, i) => label === labels[i]) ? value : -Infinity;
    });
    return labels;
  }

  /** Scores (D, C) and labels so far (D, C, N) one frame on. */
  #step(score, labels, count, evidence, cost, begun) {
    const { classes, shortest } = this;
    const states = shortest * classes;
    const lastRow = states - classes;
    const made = new Float64Array(states).fill(-Infinity);
    const kept = new Int32Array(states * count);
    made.set(score.subarray(0, lastRow), classes);
    kept.set(labels.subarray(0, lastRow * count), classes * count);
    const path = (s) => labels.subarray(s * count, (s + 1) * count);
    if (shortest > 1 || begun) {
      for (let s = lastRow; s < states; s++) {
        if (score[s] < made[s] - this.rule.equal) continue;
        made[s] = score[s];
        kept.set(path(s), s * count);
      }
    }
    const source = lastRow + strongest(score.subarray(lastRow));
    const change = begun ? score[source] - cost : 0;
    for (let c = 0; c < classes; c++) {
      if (shortest === 1 && !(change > made[c])) continue;
      made[c] = change;
      kept.set(path(source), c * count);
    }
    for (let s = 0; s < states; s++) made[s] += evidence[s % classes];
    return { score: made, labels: kept };
  }
}
