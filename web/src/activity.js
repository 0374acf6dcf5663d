/** Voice activity: where somebody speaks, by adaptive energy and voicing with hysteresis. */

import { interpolate, movingMaximum, movingMean, movingPercentile, quantile, runsOf } from "./filters.js";

/**
 * Frames that are speech.
 * @param {Float32Array} prosody (T, 4): log energy first, voicing third
 * @param {number} rate frames a second
 * @param {Record<string, number>} rule ``constants.activity``
 * @param {number} [loud] the 95th percentile of the level of the whole recording, where this is only a part of it
 * @returns {Uint8Array} (T)
 */
export function speechActivity(prosody, rate, rule, loud) {
  const frames = prosody.length / 4;
  const level = activityLevel(prosody, rate);
  if (!level.some((value) => value >= Math.log(1e-6))) return new Uint8Array(frames);
  const overall = loud ?? quantile(level, 0.95);
  const { quiet, peak } = nearbyLevels(level, prosody, rate, rule, overall);
  const high = level.map((_, i) => {
    const wanted = Math.max(peak[i] - rule.below_loud, quiet[i] + rule.above_quiet);
    return Math.min(wanted, peak[i] - rule.steady_margin);
  });
  let speech = new Uint8Array(frames);
  for (const [first, end] of runsOf(level.map((value, i) => (value > high[i] - rule.hysteresis ? 1 : 0)))) {
    let certain = false;
    let voiced = 0;
    for (let i = first; i < end; i++) {
      certain ||= level[i] > high[i];
      voiced += prosody[4 * i + 2] > 0.5 ? 1 : 0;
    }
    if (certain && voiced / (end - first) >= rule.voiced) speech.fill(1, first, end);
  }
  speech = withoutShortRuns(speech, 0, rule.shortest_silence * rate);
  speech = withoutShortRuns(speech, 1, rule.shortest_speech * rate);
  const padding = Math.round(rule.padding * rate);
  for (const [first, end] of runsOf(speech.slice())) speech.fill(1, Math.max(0, first - padding), end + padding);
  return speech;
}

/** Natural-log power (T) smoothed over 60 ms, the ends held. */
export function activityLevel(prosody, rate) {
  const energy = Float64Array.from({ length: prosody.length / 4 }, (_, i) => prosody[4 * i]);
  return movingMean(energy, Math.max(1, Math.round(0.06 * rate)));
}

/**
 * Running 10th and 95th percentile of the level; the loud one never 20 dB under the whole recording's.
 *
 * Digital silence hides how loud the background of a recording is. Where there is any, the quiet level is that of the
 * other frames that are not voiced.
 */
function nearbyLevels(level, prosody, rate, rule, overall) {
  const step = Math.max(1, Math.round(0.1 * rate));
  const width = level.length >= step ? step : level.length;
  const count = Math.floor(level.length / width);
  const size = 2 * Math.round((rule.window * rate) / step) + 1;
  const at = Float64Array.from({ length: count }, (_, i) => (i + 0.5) * width);
  const means = new Float64Array(count);
  const most = new Float64Array(count);
  const voiced = new Float64Array(count);
  const silent = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const part = level.subarray(i * width, (i + 1) * width);
    means[i] = part.reduce((sum, value) => sum + value, 0) / width;
    most[i] = Math.max(...part);
    silent[i] = part.some((value) => Math.abs(value - rule.floor) <= 1e-4) ? 1 : 0;
    for (let k = i * width; k < (i + 1) * width; k++) voiced[i] += prosody[4 * k + 2] > 0.5 ? 1 / width : 0;
  }
  const beside = movingMaximum(silent, 3);
  const background = (_, i) => !silent.includes(1) || (!beside[i] && voiced[i] < 0.5);
  const any = means.some(background);
  const quiet = (values) => (any ? values.filter(background) : values);
  const index = Float64Array.from(level, (_, i) => i);
  const peak = movingPercentile(most, 95, size).map((value) => Math.max(value, overall - 4.6));
  return { quiet: interpolate(index, quiet(at), movingPercentile(quiet(means), 10, size)), peak: interpolate(index, at, peak) };
}

/** A mask without runs of a value that are shorter than so many frames; silence at either end stays. */
function withoutShortRuns(mask, value, shortest) {
  const out = mask.slice();
  for (const [first, end] of runsOf(mask.map((held) => (held === value ? 1 : 0)))) {
    const outer = value === 0 && (first === 0 || end === mask.length);
    if (end - first < shortest && !outer) out.fill(1 - value, first, end);
  }
  return out;
}
