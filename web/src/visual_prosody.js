/**
 * What brows, head, lids and breath do with the rhythm of speech: visual prosody.
 *
 * None of it is learned; what it follows is said in ``animation/visual_prosody.py``. All curves are over the frames of a
 * video, at ``times``.
 */

import { clip, gaussian, interpolate, movingMaximum, placeIn, quantile, runsOf } from "./filters.js";

/**
 * Accents and phrases of a recording, in seconds.
 * @typedef {object} Rhythm
 * @property {number[]} accents middles of accented syllables
 * @property {number[]} strength of each, in [0, 1]
 * @property {[number, number][]} phrases where each begins and ends
 * @property {boolean[]} questions whether its pitch rises at the end
 */

/**
 * Accents where pitch and loudness stand out together, and phrases between pauses.
 * @param {import("./features.js").Analysis} analysis
 * @param {Record<string, any>} features ``constants.features``
 * @param {Record<string, any>} c ``constants.rhythm``
 * @returns {Rhythm}
 */
export function findRhythm({ prosody, speech }, features, c) {
  const { frame_rate: rate, frame_offset: offset } = features;
  const times = Float64Array.from(speech, (_, i) => offset + i / rate);
  const phrases = phrasesOf(speech, times, 0.5 / rate, c);
  const column = (k) => Float64Array.from(speech, (_, i) => prosody[4 * i + k]);
  const [energy, logF0, voicing] = [0, 1, 2].map(column);
  const voiced = Uint8Array.from(speech, (speaks, i) => (voicing[i] > c.voiced && logF0[i] !== 0 && speaks ? 1 : 0));
  const where = [...voiced.keys()].filter((i) => voiced[i]);
  if (where.length < rate / 2) return { accents: [], strength: [], phrases, questions: phrases.map(() => false) };
  const known = where.map((i) => logF0[i]);
  const pitch = interpolate(times, where.map((i) => times[i]), known).map((value) => (12 / Math.log(2)) * value); // semitones
  const [high, loud] = [standingOut(pitch, voiced, rate), standingOut(energy, speech, rate)];
  const prominence = gaussian(high.map((value, i) => value + loud[i]), 0.05 * rate);
  const curve = prominence.map((value, i) => (speech[i] ? value : 0));
  const highest = movingMaximum(curve, 2 * Math.trunc(c.accent_apart * rate) + 1);
  const peaks = [...curve.keys()].filter((i) => curve[i] === highest[i] && curve[i] > c.accent_least);
  return {
    accents: peaks.map((i) => times[i]),
    strength: peaks.map((i) => clip(prominence[i] / 3, 0, 1)),
    phrases,
    questions: phrases.map(([begins, ends]) => rises(times, pitch, voiced, begins, ends, c)),
  };
}

/**
 * Stretches of speech between pauses.
 * @param {Uint8Array} speech
 * @param {Float64Array} times
 * @param {number} half seconds from the middle of a frame to its end
 * @param {Record<string, any>} c ``constants.rhythm``
 */
function phrasesOf(speech, times, half, { pause }) {
  /** @type {[number, number][]} */
  const spans = [];
  for (const [first, end] of runsOf(speech)) {
    const [begins, ends] = [times[first] - half, times[end - 1] + half];
    if (spans.length && begins - spans.at(-1)[1] < pause) spans.at(-1)[1] = ends;
    else spans.push([begins, ends]);
  }
  return spans;
}

/** A curve above its mean over a second, in standard deviations of the counted frames. */
function standingOut(curve, counted, rate) {
  const weight = Float64Array.from(counted);
  const sums = gaussian(curve.map((value, i) => value * weight[i]), rate);
  const counts = gaussian(weight, rate);
  const level = gaussian(curve, 0.05 * rate);
  const above = level.map((value, i) => (counted[i] ? value - sums[i] / (counts[i] + 1e-3) : 0));
  const held = above.filter((_, i) => counted[i]);
  const mean = held.reduce((sum, value) => sum + value, 0) / held.length;
  const variance = held.reduce((sum, value) => sum + (value - mean) ** 2, 0) / held.length;
  return above.map((value) => value / (Math.sqrt(variance) + 1e-3));
}

/**
 * Whether the pitch at the end of a phrase lies above that of all of it.
 * @param {Float64Array} times
 * @param {Float64Array} pitch semitones
 * @param {Uint8Array} voiced
 * @param {number} begins
 * @param {number} ends
 * @param {Record<string, any>} c ``constants.rhythm``
 */
function rises(times, pitch, voiced, begins, ends, { question }) {
  const [first, end] = framesBetween(times, begins, ends);
  const inside = [];
  const last = [];
  for (let i = first; i < end; i++) {
    if (!voiced[i]) continue;
    inside.push(pitch[i]);
    if (times[i] > ends - 0.3) last.push(pitch[i]);
  }
  return last.length >= 4 && inside.length >= 20 && quantile(last, 0.5) - quantile(inside, 0.5) > question;
}

/** The frames from ``begins`` to ``ends``, both included; what happens there is made for these alone. */
function framesBetween(times, begins, ends) {
  let end = placeIn(times, ends);
  while (end < times.length && times[end] === ends) end++;
  return [placeIn(times, begins), end];
}

/** From 0 to 1 without a jump in speed. */
function smooth(x) {
  return x * x * (3 - 2 * x);
}

/** Eases from 0 to 1 while ``up`` goes from 0 to 1, and back while ``down`` does. */
export function riseAndFall(up, down) {
  return smooth(clip(up, 0, 1)) * (1 - smooth(clip(down, 0, 1)));
}

/** A curve that eases from 0 to 1 in ``rise`` seconds and back in ``fall``, ``t`` seconds after it begins. */
function bump(t, rise, fall) {
  return riseAndFall(t / rise, (t - rise) / fall);
}

/** Raise a curve, in place, to a bump of this size where it is lower. */
function raise(curve, times, size, begins, rise, fall) {
  const [first, end] = framesBetween(times, begins, begins + rise + fall);
  for (let i = first; i < end; i++) curve[i] = Math.max(curve[i], size * bump(times[i] - begins, rise, fall));
}

/** (T) in [0, 1]: brows rise on some accents, the stronger the more often, and with questions. */
function browRaises(times, rhythm, rng, c) {
  const raised = new Float32Array(times.length);
  rhythm.accents.forEach((accent, n) => {
    const [drawn, size] = [rng.random(), rng.uniform(0.7, 1.2)];
    const strength = rhythm.strength[n];
    if (drawn >= c.brow_share * (0.5 + strength)) return;
    raise(raised, times, size * (0.4 + 0.6 * strength), accent - c.brow_lead - c.brow_rise, c.brow_rise, c.brow_fall);
  });
  rhythm.phrases.forEach(([, ends], n) => {
    if (rhythm.questions[n]) raise(raised, times, 0.9, ends - 0.5, 0.25, 0.6);
  });
  return raised;
}

/**
 * Head (T, 3), degrees: a dip on accents and at ends, a lift with a breath, and slow sway.
 * @param {Float64Array} times
 * @param {Rhythm} rhythm
 * @param {import("./random.js").Random} rng
 * @param {Record<string, any>} c ``constants.rhythm``
 */
export function nods(times, rhythm, rng, c) {
  const turns = sway(times, rng, c);
  let side = rng.sign();
  rhythm.accents.forEach((accent, n) => {
    const size = rng.uniform(0.4, 1.3);
    const [turn, tilt] = [rng.normal(0, c.turn), rng.normal(0, c.tilt)];
    const strength = 0.35 + 0.65 * rhythm.strength[n];
    const [first, end] = framesBetween(times, accent - c.nod_reach, accent + c.nod_reach);
    for (let i = first; i < end; i++) {
      const away = times[i] - accent;
      const bell = (seconds, width) => Math.exp(-0.5 * (seconds / width) ** 2);
      const dip = size * (bell(away - 0.04, c.nod_seconds) - 0.35 * bell(away + 0.22, c.nod_seconds));
      const aside = bell(away, c.turn_seconds);
      turns[3 * i] += strength * c.nod * dip;
      turns[3 * i + 1] += strength * turn * aside;
      turns[3 * i + 2] += strength * tilt * aside;
    }
  });
  rhythm.phrases.forEach(([begins, ends], n) => {
    const asks = rhythm.questions[n];
    const [first, end] = framesBetween(times, begins - c.breath_seconds, Math.max(ends + 0.7, begins + 0.3));
    for (let i = first; i < end; i++) {
      const lift = c.breath_lift * bump(times[i] - begins + c.breath_seconds, c.breath_seconds, 0.3);
      const last = bump(times[i] - ends + 0.35, 0.35, 0.7);
      turns[3 * i] += (asks ? -1.5 : 1.2) * last - lift;
      turns[3 * i + 2] += (asks ? 2 : 0.6) * side * last;
    }
    side = -side;
  });
  return turns;
}

/**
 * (T, 3) degrees: from one pose to the next, and smooth (a Catmull-Rom spline through every pose).
 * @param {Float64Array} times
 * @param {import("./random.js").Random} rng
 * @param {Record<string, any>} c ``constants.rhythm``
 */
function sway(times, rng, { sway: sizes, sway_seconds: seconds }) {
  const last = times.at(-1) ?? 0;
  const knots = Math.ceil((last + 4 * seconds) / seconds);
  const poses = Array.from({ length: knots }, () => sizes.map((size) => size * rng.normal()));
  const turns = new Float32Array(3 * times.length);
  times.forEach((time, i) => {
    const place = (time + seconds) / seconds;
    const first = Math.trunc(place);
    const x = place - first;
    const [before, here, after, beyond] = [-1, 0, 1, 2].map((k) => poses[clip(first + k, 0, knots - 1)]);
    for (let k = 0; k < 3; k++) {
      const bend = 2 * before[k] - 5 * here[k] + 4 * after[k] - beyond[k] + (3 * (here[k] - after[k]) + beyond[k] - before[k]) * x;
      turns[3 * i + k] = here[k] + 0.5 * x * (after[k] - before[k] + bend * x);
    }
  });
  return turns;
}

/**
 * (T) in [0, 1]: 1 at the height of a breath, taken before phrases that follow a long pause.
 * @param {Float64Array} times
 * @param {Rhythm} rhythm
 * @param {Record<string, any>} c ``constants.rhythm``
 */
function breaths(times, { phrases }, { long_pause: pause, breath_seconds: seconds }) {
  const drawn = new Float32Array(times.length);
  let before = 0;
  for (const [begins, ends] of phrases) {
    if (begins - before > pause) raise(drawn, times, 1, begins - seconds, 0.7 * seconds, 0.3 * seconds);
    before = ends;
  }
  return drawn;
}

/**
 * (T) by which share the left side is stronger than the right.
 * @param {Float64Array} times
 * @param {import("./random.js").Random} rng
 * @param {Record<string, any>} c ``constants.rhythm``
 */
function sides(times, rng, { side, side_change: change, side_seconds: seconds }) {
  if (!times.length) return new Float64Array(0);
  const count = Math.ceil((times.at(-1) - times[0] + 2 * seconds) / seconds);
  const knots = Array.from({ length: count }, (_, k) => times[0] + k * seconds);
  const drawn = interpolate(times, knots, knots.map(() => rng.normal()));
  const constant = side * Math.abs(rng.normal(1, 0.4)) * (rng.random() < 0.65 ? 1 : -1);
  return drawn.map((value) => constant + change * value);
}

/**
 * Weights (T, 52), in place, with raised brows, breaths and one side stronger.
 * @param {Float32Array} weights
 * @param {Float64Array} times
 * @param {Rhythm} rhythm
 * @param {import("./random.js").Random} rng
 * @param {string[]} names of ARKit's shapes
 * @param {Record<string, any>} c ``constants.rhythm``
 */
export function enliven(weights, times, rhythm, rng, names, c) {
  const raised = browRaises(times, rhythm, rng, c);
  const left = sides(times, rng, c).map((value) => clip(value, -0.3, 0.3));
  const breath = breaths(times, rhythm, c);
  const at = Object.fromEntries(names.map((name, k) => [name, k]));
  const oneSided = names.map((name) => {
    const own = c.one_sided.some((start) => name.startsWith(start));
    return own && name.endsWith("Left") ? 1 : own && name.endsWith("Right") ? -1 : 0;
  });
  const brows = { browInnerUp: c.brow_raised, browOuterUpLeft: 0.7 * c.brow_raised, browOuterUpRight: 0.7 * c.brow_raised };
  for (let i = 0; i < times.length; i++) {
    const frame = weights.subarray(i * names.length, (i + 1) * names.length);
    const frown = 0.5 * (frame[at.browDownLeft] + frame[at.browDownRight]);
    for (const [name, size] of Object.entries(brows)) frame[at[name]] += size * raised[i] * (1 - clip(2 * frown, 0, 0.8));
    for (const side of ["Left", "Right"]) {
      frame[at[`eyeWide${side}`]] += 0.06 * raised[i];
      frame[at[`noseSneer${side}`]] += 0.04 * breath[i];
    }
    frame[at.jawOpen] = Math.max(frame[at.jawOpen], Math.min(frame[at.jawOpen] + c.breath_open * breath[i], 0.2));
    for (let k = 0; k < frame.length; k++) frame[k] = clip(frame[k] * (1 + oneSided[k] * left[i]), 0, 1);
  }
}
