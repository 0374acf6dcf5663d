/**
 * Lips that meet on p, b and m and touch the teeth on f and v, under any emotion: where the encoder finds one.
 *
 * The posterior of p, b, m has a peak at each of them, and there the lips are closed; the jaw stays mostly where it was.
 */

import { clip, convolve } from "./filters.js";
import { joined } from "./rows.js";

/**
 * A motion (T, 52) whose mouth is partly the one that is read out of the sound, which knows no emotion: what changes
 * slowly of the difference is left to the decoder as far as a face is emotional.
 * @param {Float32Array} motion (T, 52) as the decoder moves it
 * @param {Float32Array} mouth (T, 52)
 * @param {Float32Array} emotional (T)
 * @param {Voice} voice of the recording
 * @param {Record<string, any>} c ``constants.mouth``
 */
export function mixMouth(motion, mouth, emotional, voice, c) {
  const [shapes, width] = [c.gaps.length, c.read.length];
  const apart = Float32Array.from({ length: emotional.length * width }, (_, at) => {
    const from = Math.floor(at / width) * shapes + c.read[at % width];
    return mouth[from] - motion[from];
  });
  const slow = convolve(apart, new Float64Array(c.slow_frames).fill(1 / c.slow_frames), { width, mode: "nearest" });
  const made = motion.slice();
  const kept = new Float32Array(motion.length);
  for (let at = 0; at < apart.length; at++) {
    const frame = Math.floor(at / width);
    const to = frame * shapes + c.read[at % width];
    kept[to] = emotional[frame] * slow[at];
    made[to] = clip(motion[to] + c.read_share * (apart[at] - kept[to]), 0, 1);
  }
  const measure = new OpeningMeasure(c);
  measure.add(mouth, voice);
  const factor = measure.factor();
  emotional.forEach((_, i) => {
    const [first, last] = [i * shapes, (i + 1) * shapes];
    openWider(made.subarray(first, last), factor, kept.subarray(first, last), c);
  });
  return made;
}

/**
 * What of a voice says how far the mouth opens.
 * @typedef {object} Voice
 * @property {Float32Array} prosody (N, 4)
 * @property {Uint8Array} speech (N)
 */

/** How far the mouth opens that is read out of the sound, and the factor that makes this what the voice asks for. */
class OpeningMeasure {
  /** @param {Record<string, any>} constants ``constants.mouth`` */
  constructor(constants) {
    this.constants = constants;
    /** Frames with open lips by their gap. */
    this.counts = new Float64Array(constants.opening_steps);
    /** Voiced frames by their level and their tilt. */
    this.voices = new Float64Array(constants.levels * constants.tilts);
    /** All of them, and by their level. */
    this.voiced = 0;
    this.levels = new Float64Array(constants.levels);
  }

  /**
   * Count the next frames.
   * @param {Float32Array} mouth (N, 52)
   * @param {Voice} voice
   */
  add(mouth, { prosody, speech }) {
    const c = this.constants;
    for (const gap of lipGaps(mouth, c)) {
      if (gap > c.apart_gap) this.counts[Math.min(Math.floor(gap / c.opening_step), c.opening_steps - 1)]++;
    }
    const step = (value, lowest, size, steps) => clip(Math.trunc(Math.fround(Math.fround(value - lowest) / size)), 0, steps - 1);
    speech.forEach((said, i) => {
      const [energy, pitch, , tilt] = prosody.subarray(4 * i, 4 * i + 4);
      if (!said || pitch === 0) return;
      const level = step(energy, c.lowest_level, c.level_step, c.levels);
      this.voices[level * c.tilts + step(tilt, c.lowest_tilt, c.tilt_step, c.tilts)]++;
      this.levels[level]++;
      this.voiced++;
    });
  }

  /** Change of the opening by vocal effort, natural log: by the median tilt of the louder half of the voice. */
  effort() {
    const c = this.constants;
    if (!this.voiced) return 0;
    let [middle, below] = [0, this.levels[0]];
    while (below <= 0.5 * this.voiced) below += this.levels[++middle];
    const loud = this.voiced - below + this.levels[middle];
    let [tilt, sum] = [-1, 0];
    while (sum < 0.5 * loud) {
      tilt++;
      for (let level = middle; level < c.levels; level++) sum += this.voices[level * c.tilts + tilt];
    }
    const asked = c.tilt_opens * (c.lowest_tilt + c.tilt_step * (0.5 + tilt) - c.usual_tilt);
    return (clip(asked, -c.most_effort, c.most_effort) * this.voiced) / (this.voiced + c.few_frames);
  }

  /** The factor of the shapes that open and close the mouth, from all frames so far. */
  factor() {
    const c = this.constants;
    const count = this.counts.reduce((sum, value) => sum + value, 0);
    let [total, wide] = [0, 0];
    for (let step = 0; count && !wide; step++) {
      total += this.counts[step];
      const over = total - (1 - c.widest_part) * count;
      if (over >= 0) wide = c.opening_step * (step + 1 - over / this.counts[step]);
    }
    const shown = (c.few_frames * c.read_opening + count * wide) / (c.few_frames + count);
    return clip((c.usual_opening * Math.exp(this.effort())) / shown, ...c.opening_range);
  }
}

/** The mouth of one frame, in place, opened further by a factor: ``frame + kept`` is what speech does. */
function openWider(frame, factor, kept, c) {
  for (const k of c.opening) frame[k] = clip(frame[k] + (factor - 1) * clip(frame[k] + kept[k], 0, 1), 0, 1);
}

/**
 * ``mixMouth`` while somebody speaks: what changes slowly is the mean of the last ``slow_frames``, in which frames of
 * another emotion count less.
 */
export class MouthStream {
  /** @param {Record<string, any>} constants ``constants.mouth`` */
  constructor(constants) {
    this.constants = constants;
    /** Of frames whose motion is pending. */
    [this.mouth, this.emotional, this.prosody] = [0, 0, 0].map(() => new Float32Array(0));
    this.speech = [];
    /** How far the mouth that is read and the decoder's were apart in the last frames. */
    this.apart = [];
    /** The emotion of these frames, and of pending ones. */
    this.emotion = [];
    this.opening = new OpeningMeasure(constants);
  }

  /**
   * The next frames with their mouth mixed, (N, 52).
   * @param {Float32Array} motion (N, 52), of frames whose mouth came with it or before
   * @param {Float32Array} mouth (M, 52) of the next frames
   * @param {Float32Array} emotional (M) of the next frames
   * @param {Float32Array} posterior (M, C) of their emotion
   * @param {Float32Array} intensity (M)
   * @param {Voice} voice of the next frames
   */
  push(motion, mouth, emotional, posterior, intensity, { prosody, speech }) {
    const c = this.constants;
    const shapes = c.gaps.length;
    this.mouth = joined([this.mouth, mouth]);
    this.emotional = joined([this.emotional, emotional]);
    this.prosody = joined([this.prosody, prosody]);
    this.speech.push(...speech);
    const classes = posterior.length / intensity.length;
    intensity.forEach((value, i) => this.emotion.push(posterior.subarray(i * classes, (i + 1) * classes).map((p) => p * value)));
    const count = motion.length / shapes;
    const made = motion.slice();
    for (let i = 0; i < count; i++) {
      this.apart.push(c.read.map((shape) => this.mouth[i * shapes + shape] - motion[i * shapes + shape]));
      if (this.apart.length > c.slow_frames) {
        this.apart.shift();
        this.emotion.shift();
      }
      const now = this.emotion[this.apart.length - 1];
      const alike = this.apart.map((_, at) => {
        const other = this.emotion[at].reduce((sum, value, k) => sum + Math.abs(value - now[k]), 0);
        return Math.exp(-other / c.other_emotion);
      });
      const all = alike.reduce((sum, weight) => sum + weight, 0);
      const kept = new Float32Array(shapes);
      c.read.forEach((shape, k) => {
        const slow = this.apart.reduce((sum, row, at) => sum + alike[at] * row[k], 0) / all;
        kept[shape] = this.emotional[i] * slow;
        const apart = this.apart.at(-1)[k] - kept[shape];
        made[i * shapes + shape] = clip(motion[i * shapes + shape] + c.streamed_share * apart, 0, 1);
      });
      const voice = { prosody: this.prosody.subarray(4 * i, 4 * i + 4), speech: this.speech.slice(i, i + 1) };
      this.opening.add(this.mouth.subarray(i * shapes, (i + 1) * shapes), voice);
      openWider(made.subarray(i * shapes, (i + 1) * shapes), this.opening.factor(), kept, c);
    }
    this.mouth = this.mouth.slice(count * shapes);
    this.emotional = this.emotional.slice(count);
    this.prosody = this.prosody.slice(4 * count);
    this.speech.splice(0, count);
    return made;
  }
}

/**
 * How far lips must close (T, 2), from posteriors (T, 2) of phones that close them: at their peaks.
 * @param {Float32Array} posteriors of p, b, m and of f, v
 * @param {Record<string, any>} c ``constants.mouth``
 */
export function closures(posteriors, c) {
  const count = posteriors.length / 2;
  const [low, high] = c.onset;
  const closed = posteriors.map((value, at) => {
    const [frame, kind] = [at >> 1, at & 1];
    for (let i = Math.max(0, frame - c.peak_frames); i <= Math.min(count - 1, frame + c.peak_frames); i++) {
      if (posteriors[2 * i + kind] > value) return 0;
    }
    return clip((value - low) / (high - low), 0, 1);
  });
  return closed.map((value, at) => {
    const near = (at & 1 ? c.teeth_beside : c.beside).map((share, k) => share * Math.max(closed[at - 2 * (k + 1)] ?? 0, closed[at + 2 * (k + 1)] ?? 0));
    return Math.max(value, ...near);
  });
}

/**
 * ``closures`` (T, 2) in a recording, between those of neutral speech and of full emotion.
 * @param {Float32Array} posteriors (T, 2)
 * @param {Float32Array} emotional (T) how far each frame is from neutral speech
 * @param {Record<string, any>} c ``constants.mouth``
 */
export function requiredClosures(posteriors, emotional, c) {
  const calm = closures(posteriors, c);
  const strong = closures(posteriors, { ...c, onset: c.emotional_onset, beside: c.emotional_beside });
  return calm.map((value, at) => value + emotional[at >> 1] * (strong[at] - value));
}

/**
 * How far each frame of a motion (T, 52) parts the lips, outer-eye distances.
 * @param {Float32Array} motion
 * @param {Record<string, any>} constants ``constants.mouth``
 */
export function lipGaps(motion, { gaps: gap }) {
  const shapes = gap.length;
  return Float64Array.from({ length: motion.length / shapes }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < shapes; k++) sum += gap[k] * motion[i * shapes + k];
    return sum;
  });
}

/**
 * Frames on either side of a frame in which lips may meet by themselves: then they are left alone.
 * @param {Record<string, any>} c ``constants.mouth``
 */
export const nearFrames = (c) => c.peak_frames + c.beside.length - 1;

/**
 * From 0, where lips close about then anyway, to 1, (T).
 * @param {Float32Array} motion (T, 52) with its lips as the decoder moves them
 * @param {number} ahead frames after a frame in which lips may close instead
 * @param {Record<string, any>} c ``constants.mouth``
 */
export function lipsApart(motion, ahead, c) {
  const gaps = lipGaps(motion, c);
  const near = nearFrames(c);
  return gaps.map((_, i) => {
    let nearest = Infinity;
    for (let j = Math.max(0, i - near); j <= Math.min(gaps.length - 1, i + ahead); j++) nearest = Math.min(nearest, gaps[j]);
    return clip((nearest - c.met_gap) / (c.closed_gap - c.met_gap), 0, 1);
  });
}

/**
 * A mouth as round as people's, with what p, b, m and f, v need, (T, 52) in [0, 1].
 * @param {Float32Array} motion (T, 52) as the decoder moves it
 * @param {Float32Array} closure (T, 2) from ``closures``
 * @param {Float64Array} apart (T) from ``lipsApart``
 * @param {Float32Array} emotional (T); in neutral speech the decoder's own lips are at the teeth
 * @param {Record<string, any>} c ``constants.mouth``
 */
export function moveLips(motion, closure, apart, emotional, c) {
  const shapes = c.gaps.length;
  const gaps = lipGaps(motion, c);
  const made = motion.slice();
  for (let i = 0; i < gaps.length; i++) {
    const frame = made.subarray(i * shapes, (i + 1) * shapes);
    frame[c.pucker] *= c.rounding;
    touchTeeth(frame, closure[2 * i + 1] * emotional[i], gaps[i], c);
    closeLips(frame, closure[2 * i] * apart[i], c);
    for (let k = 0; k < shapes; k++) frame[k] = clip(frame[k], 0, 1);
  }
  return made;
}

/** The lower lip of one frame, in place, as near the teeth as ``contact`` says; nearer ones stay. */
function touchTeeth(frame, contact, gap, c) {
  const away = contact * (1 - c.teeth_gap / Math.max(gap, c.teeth_gap));
  const rolled = Math.max(c.rolled * away - frame[c.roll], 0);
  for (const k of [...c.parting, c.jaw, c.close]) frame[k] *= 1 - away;
  frame[c.roll] += rolled;
}

/** The mouth of one frame, in place, closed as far as ``closure`` says, the jaw mostly where it was. */
function closeLips(frame, closure, c) {
  for (const k of c.parting) frame[k] *= 1 - closure;
  frame[c.jaw] *= 1 - c.jaw_gives * closure;
  frame[c.close] += Math.max(frame[c.jaw] - frame[c.close], 0) * closure;
}

/**
 * Finished weights (T, 52), in place, whose closed lips are as closed as they were before.
 * @param {Float32Array} weights the face now
 * @param {Float32Array} before the face with its lips as they should be
 * @param {Float32Array} where (T) from 0 to 1, how far they must stay as closed
 * @param {Record<string, any>} c ``constants.mouth``
 */
export function holdClosed(weights, before, where, c) {
  const shapes = c.gaps.length;
  lipGaps(before, c).forEach((gap, i) => {
    const held = where[i] * clip((c.apart_gap - gap) / (c.apart_gap - c.closed_gap), 0, 1);
    c.gaps.forEach((parts, k) => {
      if (!parts) return;
      const at = i * shapes + k;
      const limit = parts > 0 ? Math.min(weights[at], before[at]) : Math.max(weights[at], before[at]);
      weights[at] += held * (limit - weights[at]);
    });
  });
}

/** Lips closed while somebody speaks, frame for frame as over the whole recording if posteriors do not change. */
export class ClosureStream {
  /** @param {Record<string, any>} constants ``constants.mouth`` */
  constructor(constants) {
    this.constants = { ...constants, onset: constants.streamed_onset, beside: constants.streamed_beside };
    /** The last frames that were returned, and those that are pending. */
    [this.motion, this.posteriors, this.emotional] = [0, 0, 0].map(() => new Float32Array(0));
    /** How many of these came out already. */
    this.given = 0;
  }

  /**
   * The next frames with their lips closed, (N, 52).
   * @param {Float32Array} motion (N, 52), of frames whose posteriors came with it or before
   * @param {Float32Array} posteriors (M, 2) of the next frames
   * @param {Float32Array} ahead (K, 2) of the frames after these, not yet certain
   * @param {Float32Array} emotional (M) of the next frames
   */
  push(motion, posteriors, ahead, emotional) {
    const c = this.constants;
    const shapes = c.gaps.length;
    this.motion = joined([this.motion, motion]);
    this.posteriors = joined([this.posteriors, posteriors]);
    this.emotional = joined([this.emotional, emotional]);
    if (!motion.length) return motion;
    const first = this.given;
    const last = this.motion.length / shapes;
    const wanted = closures(joined([this.posteriors, ahead]), c).subarray(2 * first, 2 * last);
    const shares = this.emotional.subarray(first, last);
    const apart = lipsApart(this.motion, 0, c).subarray(first);
    const made = moveLips(motion, wanted, apart, shares, c);
    const gone = Math.max(0, last - c.ahead_frames);
    this.motion = this.motion.slice(gone * shapes);
    this.posteriors = this.posteriors.slice(2 * gone);
    this.emotional = this.emotional.slice(gone);
    this.given = last - gone;
    return made;
  }
}
