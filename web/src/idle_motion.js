/**
 * Blinks, gaze and head motion, of whole recordings and of streams.
 *
 * All three are procedural and drawn from a seeded generator; what they follow is said in ``animation/idle_motion.py``.
 */

import { clip, gaussian, interpolate, placeIn } from "./filters.js";
import { riseAndFall } from "./visual_prosody.js";

const RADIANS = Math.PI / 180;
const STILL = [0, 0, 0];

/** Seconds of a blink. @param {Record<string, any>} idle ``constants.idle`` */
function blinkSeconds({ blink_close: close, blink_hold: hold, blink_open: open }) {
  return close + hold + open;
}

/**
 * One full blink's closure at so many seconds after its start.
 * @param {number} t
 * @param {Record<string, any>} idle ``constants.idle``
 */
function blinkClosure(t, { blink_close: close, blink_hold: hold, blink_open: open }) {
  return riseAndFall(t / close, (t - close - hold) / open);
}

const firstBlink = (rng) => rng.uniform(0.8, 2.2);
const nextBlink = (start, rng) => start + 0.6 + rng.gamma(2.2, 1.25);

/**
 * Lid closure (T): a blink due shortly before a pause waits for it, or for a shift of the gaze; the last one is over at the end.
 * @param {Float64Array} times
 * @param {import("./random.js").Random} rng
 * @param {Uint8Array} speech (T)
 * @param {number[]} shifts seconds
 * @param {Record<string, any>} idle ``constants.idle``
 */
export function blinks(times, rng, speech, shifts, idle) {
  const pauses = [...shifts];
  for (let i = 0; i + 1 < speech.length; i++) if (speech[i] && !speech[i + 1]) pauses.push(times[i]);
  pauses.sort((a, b) => a - b);
  const duration = times.at(-1) ?? 0;
  const closure = new Float32Array(times.length);
  for (let due = firstBlink(rng); due < duration; ) {
    const pause = pauses.find((time) => time > due - 0.1);
    const start = Math.min(pause < due + 0.8 ? pause : due, duration - blinkSeconds(idle));
    const end = placeIn(times, start + blinkSeconds(idle));
    for (let i = placeIn(times, start); i < end; i++) closure[i] = Math.max(closure[i], blinkClosure(times[i] - start, idle));
    due = nextBlink(start, rng);
  }
  return closure;
}

const nextOnset = (onset, rng) => onset + 0.5 + rng.gamma(2, 0.6);

/**
 * Where a fixation looks, degrees: about the viewer, or with the probability ``away`` further off.
 * @param {import("./random.js").Random} rng
 * @param {number} away
 * @returns {[number, number]}
 */
function target(rng, away) {
  const [wide, high] = rng.random() < away ? [4, 2] : [1.2, 0.8];
  return [rng.normal(0, wide), rng.normal(0, high)];
}

/**
 * Fixations; away from the viewer where phrases begin, back where they end.
 * @param {number} duration seconds
 * @param {import("./random.js").Random} rng
 * @param {number} eyeContact share of them that rest on the viewer
 * @param {[number, number][]} phrases seconds
 * @returns {{onsets: number[], targets: [number, number][]}} seconds and degrees: yaw to the subject's left, pitch up
 */
export function fixations(duration, rng, eyeContact, phrases) {
  const onsets = [0];
  /** @type {[number, number][]} */
  const targets = [[0, 0]];
  while (onsets.at(-1) <= duration) {
    const begins = nextOnset(onsets.at(-1), rng);
    let away = 1 - eyeContact;
    if (phrases.length && away) {
      if (phrases.some(([start]) => begins > start - 0.4 && begins < start + 0.6)) away = Math.min(1, 1.8 * away);
      else if (phrases.some(([, end]) => Math.abs(begins - end) < 0.4)) away *= 0.3;
    }
    onsets.push(begins);
    targets.push(target(rng, away));
  }
  return { onsets, targets };
}

/** Seconds of shifts of the gaze by so many degrees and more. */
export function gazeShifts({ onsets, targets }, least = 3) {
  const far = (i) => Math.hypot(targets[i][0] - targets[i - 1][0], targets[i][1] - targets[i - 1][1]) >= least;
  return onsets.filter((_, i) => i && far(i));
}

/** (T, 2) degrees: fixations joined by saccades. */
export function gazePath({ onsets, targets }, times, { saccade }) {
  const knots = onsets.slice(1).flatMap((onset) => [onset - saccade / 2, onset + saccade / 2]);
  const path = new Float32Array(2 * times.length);
  for (const axis of [0, 1]) {
    const values = targets.flatMap((point) => [point[axis], point[axis]]).slice(1, -1);
    interpolate(times, knots, values).forEach((value, i) => (path[2 * i + axis] = value));
  }
  return path;
}

/**
 * ARKit's eyeLook weights of one frame, in place: the eyes hold a gaze while the head turns.
 * @param {Float32Array} frame (52)
 * @param {ArrayLike<number>} degrees yaw and pitch of the gaze
 * @param {ArrayLike<number>} head its rotation vector, radians
 * @param {Record<string, number>} index of ARKit's names
 * @param {Record<string, any>} idle ``constants.idle``
 */
export function lookAt(frame, degrees, head, index, { eyes_most: most }) {
  const turned = [degrees[0] - head[1] / RADIANS, degrees[1] + head[0] / RADIANS];
  const [left, up] = turned.map((angle, axis) => clip(angle, -most[axis], most[axis]) / 30);
  for (const [side, outward] of Object.entries({ Left: left, Right: -left })) {
    frame[index[`eyeLookOut${side}`]] = clip(outward, 0, 1);
    frame[index[`eyeLookIn${side}`]] = clip(-outward, 0, 1);
    frame[index[`eyeLookUp${side}`]] = clip(up, 0, 1);
    frame[index[`eyeLookDown${side}`]] = clip(-up, 0, 1);
  }
}

/** One frame, in place, with the lids closed so far: a closing lid is neither wide nor squinting. */
export function closeLids(frame, closure, index) {
  for (const side of ["Left", "Right"]) {
    frame[index[`eyeBlink${side}`]] = Math.max(frame[index[`eyeBlink${side}`]], closure);
    frame[index[`eyeWide${side}`]] *= 1 - closure;
    frame[index[`eyeSquint${side}`]] *= 1 - closure;
  }
}

/**
 * How far heads move at an arousal in [-1, 1].
 * @param {number} arousal
 * @param {Record<string, any>} idle ``constants.idle``
 */
function activityAt(arousal, { calm_activity: calm, aroused_activity: aroused, least_activity: least }) {
  return Math.max(calm + aroused * arousal, least);
}

/** (T) how far heads move under a track of ``fps`` frames a second. */
export function headActivity({ posterior, intensity }, labels, fps, idle) {
  const arousals = labels.map((label) => idle.arousal[label] ?? 0);
  const arousal = Float64Array.from(intensity, (strength, i) => {
    return arousals.reduce((sum, value, c) => sum + value * posterior[i * labels.length + c], 0) * Math.sqrt(strength);
  });
  return gaussian(arousal, 0.25 * fps).map((value) => activityAt(value, idle));
}

/**
 * Head rotation (T, 3), degrees: slow drift, nods with stressed speech and a posture by emotion.
 * @param {import("./random.js").Random} rng
 * @param {Float32Array} energy (T) loudness of speech in [0, 1]
 * @param {{posterior: Float32Array, intensity: Float32Array}} track at the frames
 * @param {string[]} labels
 * @param {number} fps
 * @param {Record<string, any>} idle ``constants.idle``
 */
export function headRotation(rng, energy, track, labels, fps, idle) {
  const count = energy.length;
  const margin = 4 * Math.trunc(fps);
  const drawn = Float64Array.from({ length: 3 * (count + 2 * margin) }, () => rng.normal());
  const noise = gaussian(drawn, 0.7 * fps, { width: 3 }).subarray(3 * margin);
  const unit = Math.sqrt(2 * Math.sqrt(Math.PI) * 0.7 * fps);
  const level = gaussian(energy, 0.08 * fps);
  const around = gaussian(level, 0.8 * fps);
  const poses = labels.map((label) => idle.posture[label] ?? STILL);
  const wanted = Float64Array.from({ length: 3 * count }, (_, at) => {
    const i = Math.floor(at / 3);
    const mix = poses.reduce((sum, pose, c) => sum + pose[at % 3] * track.posterior[i * labels.length + c], 0);
    return mix * track.intensity[i];
  });
  const posture = gaussian(wanted, 0.25 * fps, { width: 3 });
  const activity = headActivity(track, labels, fps, idle);
  return posture.map((pose, at) => {
    const i = Math.floor(at / 3);
    const nod = at % 3 ? 0 : 4 * (level[i] - around[i]);
    return pose + activity[i] * (noise[at] * unit * DRIFT[at % 3] + nod);
  });
}

const DRIFT = [0.9, 1.3, 0.7];

/** Degrees (T, 3) as rotation vectors, radians. */
export function inRadians(degrees) {
  return Float32Array.from(degrees, (value) => value * RADIANS);
}

// --- The same while somebody is still speaking, one moment after the other.

/** Blinks at times that only go on; none waits for a pause, of which nobody knows yet. */
export class BlinkStream {
  /**
   * @param {import("./random.js").Random} rng
   * @param {Record<string, any>} idle ``constants.idle``
   */
  constructor(rng, idle) {
    this.rng = rng;
    this.idle = idle;
    this.start = firstBlink(rng);
  }

  /** Lid closure in [0, 1]. */
  at(time) {
    while (time >= this.start + blinkSeconds(this.idle)) this.start = nextBlink(this.start, this.rng);
    return blinkClosure(time - this.start, this.idle);
  }
}

/** Fixations at times that only go on, without phrases. */
export class GazeStream {
  /**
   * @param {import("./random.js").Random} rng
   * @param {Record<string, any>} idle ``constants.idle``
   */
  constructor(rng, idle) {
    this.rng = rng;
    this.idle = idle;
    this.now = [0, 0];
    this.#draw(0);
  }

  #draw(onset) {
    this.begins = nextOnset(onset, this.rng);
    this.next = target(this.rng, 1 - this.idle.eye_contact);
  }

  /** Degrees, yaw and pitch. */
  at(time) {
    const { saccade } = this.idle;
    while (time > this.begins + saccade / 2) {
      this.now = this.next;
      this.#draw(this.begins);
    }
    const share = clip((time - this.begins) / saccade + 0.5, 0, 1);
    return this.now.map((value, axis) => value + share * (this.next[axis] - value));
  }
}

/** Head motion frame after frame; smoothing looks back only, so nods come about a tenth of a second later. */
export class HeadStream {
  /**
   * @param {import("./random.js").Random} rng
   * @param {number} fps
   * @param {Record<string, any>} idle ``constants.idle``
   */
  constructor(rng, fps, idle) {
    this.rng = rng;
    this.fps = fps;
    this.idle = idle;
    const width = Math.trunc(4 * 0.7 * fps) + 1;
    const kernel = Float64Array.from({ length: 2 * width + 1 }, (_, k) => Math.exp(-0.5 * ((k - width) / (0.7 * fps)) ** 2));
    const total = kernel.reduce((sum, value) => sum + value, 0);
    this.kernel = kernel.map((value) => value / total);
    this.noise = Array.from(kernel, () => this.#drawn());
    this.energy = [0, 0];
    this.posture = [0, 0, 0];
    this.arousal = 0;
  }

  #drawn() {
    return [this.rng.normal(), this.rng.normal(), this.rng.normal()];
  }

  /**
   * The next frames' rotation vectors (T, 3), radians.
   * @param {number} count
   * @param {{loudness: number, emotion: string, intensity: number}} said of the speech, in [0, 1], and the emotion
   */
  next(count, { loudness, emotion, intensity }) {
    const { fps, idle, kernel } = this;
    const unit = Math.sqrt(2 * Math.sqrt(Math.PI) * 0.7 * fps);
    const toward = (now, wanted, seconds) => wanted + Math.exp(-1 / (fps * seconds)) * (now - wanted);
    const pose = idle.posture[emotion] ?? STILL;
    const aroused = (idle.arousal[emotion] ?? 0) * Math.sqrt(intensity);
    const fresh = Array.from({ length: count }, () => this.#drawn());
    const noise = [...this.noise, ...fresh];
    this.noise = noise.slice(count);
    const degrees = new Float64Array(3 * count);
    for (let i = 0; i < count; i++) {
      this.energy = [0.08, 0.8].map((seconds, k) => toward(this.energy[k], loudness, seconds));
      this.posture = this.posture.map((now, axis) => toward(now, intensity * pose[axis], 0.25));
      this.arousal = toward(this.arousal, aroused, 0.25);
      for (let axis = 0; axis < 3; axis++) {
        let drift = 0;
        for (let k = 0; k < kernel.length; k++) drift += kernel[k] * noise[i + k][axis];
        const nod = axis ? 0 : 4 * (this.energy[0] - this.energy[1]);
        degrees[3 * i + axis] = this.posture[axis] + activityAt(this.arousal, idle) * (drift * unit * DRIFT[axis] + nod);
      }
    }
    return inRadians(degrees);
  }
}
