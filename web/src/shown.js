/** From what a voice expresses to what a face shows: one set of functions, for recordings and for streams. */

import { clip } from "./filters.js";

/**
 * A posterior as a face shows it: the emotions sharpened, and neutral only where the strength is hardly noticed.
 * @param {ArrayLike<number>} posterior (C), the first category is neutral
 * @param {number} strength the visible intensity
 * @param {Record<string, any>} shown ``constants.shown``
 * @returns {Float64Array} (C), sums to 1
 */
export function decided(posterior, strength, shown) {
  const values = Float64Array.from(posterior);
  if (!shown.visible) return sharpened(values, shown.sharpness);
  const emotions = sharpened(values.subarray(1), shown.sharpness);
  const neutral = clip((shown.noticed - strength) / (shown.noticed - shown.unnoticed), 0, 1);
  return Float64Array.from(values, (_, c) => (c ? (1 - neutral) * emotions[c - 1] : neutral));
}

/**
 * What a frame says of the segment that it is in: the emotions by their posterior, neutral by the strength.
 * @param {ArrayLike<number>} posterior (C), the first category is neutral
 * @param {number} strength the visible intensity
 * @param {Record<string, any>} shown ``constants.shown``
 * @returns {Float64Array} (C), sums to 1
 */
export function segmentEvidence(posterior, strength, shown) {
  const values = Float64Array.from(posterior);
  if (!shown.visible) return values;
  const emotions = values.subarray(1).map((value) => Math.max(value, 1e-12));
  const neutral = Math.exp((shown.balance - strength) / shown.softness) * Math.max(...emotions);
  const total = emotions.reduce((sum, value) => sum + value, neutral);
  return values.map((_, c) => (c ? emotions[c - 1] : neutral) / total);
}

function sharpened(posterior, sharpness) {
  const log = posterior.map((value) => sharpness * Math.log(Math.max(value, 1e-8)));
  const most = Math.max(...log);
  const power = log.map((value) => Math.exp(value - most));
  const total = power.reduce((sum, value) => sum + value, 0);
  return power.map((value) => value / total);
}

/**
 * Makes neutral as likely as its intensity makes it, in place; the emotions keep their ratios.
 * @param {Float32Array} posterior (C) neutral first
 * @param {number} intensity as listeners rate it
 * @param {Record<string, any>} shown ``constants.shown``
 */
export function neutralByIntensity(posterior, intensity, shown) {
  if (!shown.neutral_odds) return;
  const [atHalf, slope] = shown.neutral_odds;
  const rated = Math.min(Math.max(intensity, shown.rated[0]), shown.rated[1]);
  const likely = 1 / (1 + Math.exp(-atHalf - slope * Math.log(rated / (1 - rated))));
  const total = posterior.subarray(1).reduce((sum, value) => sum + Math.max(value, 1e-12), 0);
  for (let c = 1; c < posterior.length; c++) posterior[c] = ((1 - likely) * Math.max(posterior[c], 1e-12)) / total;
  posterior[0] = likely;
}

/** Intensity on the scale of faces, in [0, 1]. */
export function visible(intensity, shown) {
  if (!shown.visible) return clip(intensity, 0, 1);
  const [nothing, clear, full] = shown.visible;
  if (intensity > clear) return Math.min(shown.clear + ((1 - shown.clear) * (intensity - clear)) / (full - clear), 1);
  return Math.max((shown.clear * (intensity - nothing)) / (clear - nothing), 0);
}

/** Factor of the intensity in recordings unlike those of training, where the emotion is a guess. */
export function attenuation(distance, shown) {
  const [begin, end] = shown.familiar;
  return 1 - shown.trust * (1 - clip((end - distance) / (end - begin), 0, 1));
}
