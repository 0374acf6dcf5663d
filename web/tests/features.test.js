import assert from "node:assert/strict";
import { test } from "node:test";

import { speechActivity } from "../src/activity.js";
import { Ear } from "../src/features.js";
import { gaussian, interpolate, movingPercentile, quantile } from "../src/filters.js";
import { RealTransform } from "../src/fourier.js";
import { assertClose, constants, reference, sampleRecording } from "./support/reference.js";

const analysis = new Ear(constants.features).analyse(sampleRecording());

test("the transform is the sum that defines it", () => {
  const signal = Float64Array.from({ length: 100 }, (_, i) => Math.sin(i * i));
  const transform = new RealTransform(512);
  const power = new Float64Array(257);
  transform.power(signal, power);
  for (const bin of [0, 1, 100, 256]) {
    let [re, im] = [0, 0];
    signal.forEach((value, i) => {
      re += value * Math.cos((2 * Math.PI * bin * i) / 512);
      im -= value * Math.sin((2 * Math.PI * bin * i) / 512);
    });
    assert.ok(Math.abs(power[bin] - (re * re + im * im)) < 1e-9);
  }
  const correlation = new Float64Array(30);
  transform.correlation(power, correlation);
  for (const lag of [0, 1, 7, 29]) {
    const expected = signal.reduce((sum, value, i) => sum + value * (signal[i + lag] ?? 0), 0);
    assert.ok(Math.abs(correlation[lag] - expected) < 1e-9);
  }
});

test("filters are those of scipy", () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.deepEqual([...interpolate([-1, 0.5, 9], [0, 1], [2, 4])], [2, 3, 4]);
  // scipy.ndimage.percentile_filter([5, 1, 4, 2, 3], 50, size=3, mode="nearest"), gaussian_filter1d([0, 0, 1, 0, 0], 1)
  assert.deepEqual([...movingPercentile([5, 1, 4, 2, 3], 50, 3)], [5, 4, 2, 3, 3]);
  const smooth = [0.05844345, 0.24210511, 0.39905028, 0.24197075, 0.05844345];
  gaussian([0, 0, 1, 0, 0], 1).forEach((value, i) => assert.ok(Math.abs(value - smooth[i]) < 2e-3));
});

test("log-mels, their means and prosody equal Python's", () => {
  assertClose(analysis.mel, reference.features.mel, 1e-3, "log-mels");
  assertClose(analysis.means, reference.features.means, 1e-4, "band means");
  assertClose(analysis.prosody, reference.features.prosody, 1e-3, "prosody");
});

test("speech is where Python finds it", () => {
  assertClose(analysis.speech, reference.features.speech, 0, "speech mask");
  const found = speechActivity(analysis.prosody, constants.features.frame_rate, constants.activity);
  assertClose(found, reference.frames.speech, 0, "voice activity");
});

test("silence has no speech, and no gain makes it loud", () => {
  const silent = new Ear(constants.features).analyse(new Float32Array(16000));
  assert.equal(silent.frames, 50);
  assert.ok(silent.prosody.every(Number.isFinite) && silent.mel.every(Number.isFinite));
  assert.equal(speechActivity(silent.prosody, 50, constants.activity).includes(1), false);
});
