/** Speech features of sound that is still going on: what is said of the recording so far, for its last seconds. */

import { activityLevel } from "./activity.js";
import { background, centreBands, anyOfPairs, Ear, gainOf, isRecorded, logMel, meanSquare, OffsetFilter, pairMeans, smoothLevel, speechThreshold, withoutSilence } from "./features.js";
import { BandHistory, LevelHistogram, quantileWith, withGain, withoutGain } from "./level_history.js";
import { withSilence } from "./networks.js";
import { Rows } from "./rows.js";

/**
 * The features of the last seconds of a stream.
 * @typedef {object} StreamedFeatures
 * @property {number} first number of the first kept frame (20 ms)
 * @property {number} total frames so far, the kept ones being first … total - 1
 * @property {Float32Array} prosody (T, 4) of the kept frames
 * @property {Uint8Array} speech (T) loud enough to be speech
 * @property {Float32Array} mel (2 T, 80) log-mels, not centred
 * @property {Float64Array} means (80) that centre them
 * @property {number} gain of the stream so far
 * @property {() => number} loud level of loud frames in the whole stream so far, for ``speechActivity``
 * @property {Float32Array} [hidden] (T, D) of the emotion encoder, where the stream has it encode
 */

/** Measures and encodes sound that comes piece by piece, and keeps the features of its last seconds. */
export class EncoderStream {
  /**
   * @param {import("./networks.js").Networks} networks
   * @param {number} keep frames of 20 ms that are kept at least, before the newest piece
   * @param {boolean} [emotional] whether the emotion encoder encodes what is kept
   */
  constructor(networks, keep, emotional = false) {
    const { features, speech_stream: stream, streams } = networks.constants;
    const { refreshed_seconds, refreshed_change } = streams;
    this.networks = networks;
    this.keep = keep;
    this.every = emotional ? new HiddenStream(networks, "emotion_encoder", refreshed_seconds, refreshed_change) : null;
    this.features = features;
    this.constants = stream;
    this.ear = new Ear(features);
    this.samples = 0;
    this.offset = new OffsetFilter(features);
    this.tail = new Float32Array(stream.before);
    /** Analysis frames (10 ms) that no later sample can change; the buffers hold those after ``first`` of them. */
    this.whole = this.first = 0;
    /** Analysis frames before it are in the histories. */
    this.counted = 0;
    /** Whether there has been digital silence. */
    this.gaps = false;
    this.rms = new Rows(1);
    this.power = new Rows(features.mel_bands);
    this.pitch = new Rows(this.ear.pitch.width);
    this.rmsHistory = new LevelHistogram(stream);
    this.levelHistory = new LevelHistogram(stream);
    this.energyHistory = new LevelHistogram(stream);
    this.bandHistory = new BandHistory(features.mel_bands, features.log_floor, features.largest_gain, stream);
  }

  /**
   * The next samples, a multiple of 320 unless they are the last.
   * @param {Float32Array} samples
   * @returns {Promise<StreamedFeatures>}
   */
  async push(samples) {
    const { features: f, constants: c } = this;
    this.#measure(this.offset.push(samples));
    const counted = this.counted - this.first;
    const rms = this.rms.part(counted, this.rms.length);
    const recent = Float64Array.from(rms, (value) => Math.log(value + c.silent));
    const gain = gainOf(quantileWith(this.rmsHistory, recent, f.loud, Math.exp, isRecorded(rms, f)), f);
    const frames = this.rms.length;
    const floor = f.mel_bands * f.log_floor;
    const sums = bandSums(this.power.values, f.mel_bands).map((sum) => Math.log(gain * gain * sum + floor));
    const level = smoothLevel(sums).map((value) => withoutGain(value, floor, gain));
    const sound = withoutSilence(sums, f);
    const mel = logMel(this.power.values, gain, f);
    const { speech, means } = this.#speech(mel, level, sound, counted, gain);
    const tracks = new Float32Array(4 * frames);
    for (let i = 0; i < frames; i++) this.ear.pitch.tracks(this.pitch.held, (this.pitch.start + i) * this.pitch.width, gain, tracks, 4 * i);
    const prosody = pairMeans(tracks, 4);
    const energy = activityLevel(prosody, f.frame_rate).map((value) => withoutGain(value, f.energy_floor, gain));
    const recentEnergy = energy.slice(counted / 2);
    const scale = (value) => withGain(value, f.energy_floor, gain);
    const overall = this.every ? quantileWith(this.energyHistory, recentEnergy, f.loud, scale) : NaN;
    const first = this.first / 2;
    const latest = { first, total: first + frames / 2, prosody, speech: anyOfPairs(speech), mel, means, gain, loud: overall };
    if (this.every) latest.hidden = await this.every.push(latest);
    this.#forget(level, sound, energy);
    return latest;
  }

  /** Frames of the new samples; those that saw the end of the old ones are measured again. */
  #measure(samples) {
    const { hop_length: hop, window_length: narrow, pitch_window: wide } = this.features;
    const { before } = this.constants;
    this.samples += samples.length;
    const sound = new Float32Array(this.tail.length + samples.length + wide + 2 * hop);
    sound.set(this.tail);
    sound.set(samples, this.tail.length);
    const count = 2 * Math.ceil(this.samples / (2 * hop)) - this.whole;
    const kept = this.whole - this.first;
    const [rms, power, pitch] = [this.rms, this.power, this.pitch].map((rows) => {
      rows.cut(kept);
      return rows.grow(count);
    });
    const frame = new Float64Array(wide);
    for (let i = 0; i < count; i++) {
      const short = frame.subarray(0, narrow);
      short.set(sound.subarray(i * hop + (wide - narrow) / 2, i * hop + (wide + narrow) / 2));
      rms[i] = meanSquare(short) ** 0.5;
      this.ear.melPower(short, power, i * this.power.width);
      frame.set(sound.subarray(i * hop, i * hop + wide));
      this.ear.pitch.measure(frame, pitch, i * this.pitch.width);
    }
    const whole = Math.max(0, Math.floor((this.samples - before) / hop));
    this.tail = sound.slice((whole - this.whole) * hop, this.tail.length + samples.length);
    this.whole = whole;
  }

  /** Speech mask (2 T) of the kept frames and the mean log-mel (80) of all speech so far. */
  #speech(mel, level, sound, counted, gain) {
    const { mel_bands: bands, log_floor, faintest: faint, quiet, loud } = this.features;
    const floor = bands * log_floor;
    const recent = level.slice(counted);
    const scale = (value) => withGain(value, floor, gain);
    const counts = sound.subarray(counted);
    const at = (share) => quantileWith(this.levelHistory, recent, share, scale, counts);
    const [low, high] = [at(quiet), at(loud)];
    this.gaps ||= counts.includes(0);
    const under = this.gaps ? background(at(faint), low, high, this.features) : low;
    const limit = withoutGain(speechThreshold(under, high), floor, gain);
    const speech = Uint8Array.from(level, (value) => (value > limit ? 1 : 0));
    let { count, total } = this.bandHistory.above(limit, gain);
    const every = !count && !speech.subarray(counted).includes(1);
    if (every) ({ count, total } = this.bandHistory.above(-Infinity, gain));
    for (let i = counted; i < speech.length; i++) {
      if (!every && !speech[i]) continue;
      count += 1;
      for (let k = 0; k < bands; k++) total[k] += mel[i * bands + k];
    }
    return { speech, means: total.map((sum) => sum / count) };
  }

  /** Move old frames to the histories; ``alignment`` of them stay in the buffers for what smooths over them. */
  #forget(level, sound, energy) {
    const { alignment, silent } = this.constants;
    const spare = Math.floor((this.whole - this.first) / 2) - this.keep - alignment;
    const drop = Math.max(0, Math.floor(spare / alignment) * alignment);
    if (!drop) return;
    const from = this.counted - this.first;
    const to = 2 * (drop + alignment);
    const rms = this.rms.part(from, to);
    const counts = isRecorded(rms, this.features);
    this.rmsHistory.add(Float64Array.from(rms.filter((_, i) => counts[i]), (value) => Math.log(value + silent)));
    this.levelHistory.add(level.subarray(from, to).filter((_, i) => sound[from + i]));
    this.energyHistory.add(energy.subarray(from / 2, to / 2));
    this.bandHistory.add(this.power.part(from, to), level.subarray(from, to));
    this.counted = this.first + to;
    this.first += 2 * drop;
    for (const rows of [this.rms, this.power, this.pitch]) rows.drop(2 * drop);
  }
}

/** Summed power (T) of rows (T, bands). */
function bandSums(power, bands) {
  return Float64Array.from({ length: power.length / bands }, (_, i) => {
    let sum = 0;
    for (let k = i * bands; k < (i + 1) * bands; k++) sum += power[k];
    return sum;
  });
}

/**
 * Hidden vectors of the frames that a stream keeps; the encoder remembers what came before them.
 *
 * The centre of the bands, or the level, is that of the sound until a frame was encoded. Once it has moved by
 * ``change``, frames are encoded anew.
 */
export class HiddenStream {
  /**
   * @param {import("./networks.js").Networks} networks
   * @param {"speech_encoder" | "emotion_encoder"} name
   * @param {number} refreshed seconds before the newest frame that are encoded anew then
   * @param {number} change by how much the centre, or the level, has to have moved (natural log)
   */
  constructor(networks, name, refreshed, change) {
    this.networks = networks;
    this.name = name;
    this.change = change;
    this.refreshed = Math.round(refreshed * networks.constants.features.frame_rate);
    /** Numbers of the first kept frame, and of the one before which the states are. */
    this.first = this.at = 0;
    this.states = null;
    this.standing = null;
    this.hidden = null;
  }

  /**
   * Hidden vectors (T, D) of the kept frames.
   * @param {StreamedFeatures} streamed
   */
  async push({ first, total, mel, means, gain }) {
    if (!total) return new Float32Array(0); // a stream that ends before any sound
    const { networks, name } = this;
    const { features, [name]: encoder } = networks.constants;
    const centred = name === "speech_encoder";
    const standing = centred ? means.map((mean) => mean - 2 * Math.log(gain)) : [2 * Math.log(gain)];
    let [states, known, begin] = [this.states, this.at, this.at];
    if (!states || standing.some((value, k) => Math.abs(value - this.standing[k]) > this.change)) {
      this.standing = standing;
      states = undefined;
      known = Math.max(first, known - this.refreshed);
      known -= known % encoder.grid; // frames that share a hidden vector stay together
      begin = Math.max(first || -encoder.around, known - encoder.context);
    }
    known = Math.max(first, known);
    const from = 2 * Math.max(0, begin - first);
    const sound = centred ? centreBands(mel, means, from) : mel.subarray(from * features.mel_bands);
    const made = await networks.advance(name, withSilence(sound, features, Math.max(0, -begin)), states);
    const width = made.hidden.length / (total - begin);
    this.hidden ??= new Rows(width);
    this.hidden.drop(first - this.first);
    this.first = first;
    this.hidden.cut(known - first);
    this.hidden.append(made.hidden.subarray((known - begin) * width));
    const count = Math.ceil((total - begin) / encoder.grid) * encoder.grid - encoder.pending;
    if (count >= 0) [this.states, this.at] = [made.states, begin + count];
    return this.hidden.values.slice();
  }
}
