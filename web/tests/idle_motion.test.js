import assert from "node:assert/strict";
import { test } from "node:test";

import { assemble } from "../src/assembly.js";
import { easeCuts } from "../src/conditioning.js";
import { emotionTrack } from "../src/emotion.js";
import { Ear } from "../src/features.js";
import { blinks } from "../src/idle_motion.js";
import { Random, idleGenerators } from "../src/random.js";
import { finishMouth } from "../src/recipe.js";
import { findRhythm } from "../src/visual_prosody.js";
import { drawnGenerators } from "./support/drawn.js";
import { assertClose, constants, reference, sampleRecording, whole } from "./support/reference.js";

const samples = sampleRecording();
const analysis = new Ear(constants.features).analyse(samples);
const frames = Object.fromEntries(Object.entries(reference.frames).map(([name, stored]) => [name, whole(stored)]));
const track = emotionTrack({ ...frames, speech: Uint8Array.from(frames.speech) }, samples.length / 16000, constants);
const phones = Object.fromEntries(Object.entries(reference.articulation).map(([name, rows]) => [name, whole(rows)]));
const emotion = easeCuts(track.posterior, track.intensity, constants.conditioning);
const moved = finishMouth(whole(reference.motion), emotion, phones, analysis, constants);
const { bursts } = reference.lively;
const make = (generators) => assemble(moved, { track: { ...track, bursts } }, { fps: reference.lively.fps, generators }, constants);

test("accents, phrases and questions are Python's", () => {
  const found = findRhythm(analysis, constants.features, constants.rhythm);
  const { accents, strength, phrases, questions } = reference.rhythm;
  assert.deepEqual(found.questions, questions);
  for (const [made, there] of [[found.accents, accents], [found.strength, strength], [found.phrases.flat(), phrases.flat()]]) {
    assert.equal(made.length, there.length);
    made.forEach((value, i) => assert.ok(Math.abs(value - there[i]) < 1e-4));
  }
});

test("with the same numbers drawn, blinks, gaze, brows, breath, bursts and head are Python's", () => {
  const made = make(drawnGenerators());
  assertClose(made.weights, reference.lively.weights, 1e-4, "weights with idle motion");
  assertClose(made.tongue, reference.lively.tongue, 1e-4, "tongue with idle motion");
  assertClose(made.head, reference.lively.head, 1e-4, "head");
});

test("a seed is a whole number", () => {
  for (const seed of ["a", 0.5, NaN, null]) assert.throws(() => idleGenerators(seed), /^RangeError: seed: .* is no whole number$/);
});

test("a seed is a take, and recordings differ", () => {
  const [one, same, other, elsewhere] = [
    make(idleGenerators(0, samples)),
    make(idleGenerators(0, samples)),
    make(idleGenerators(1, samples)),
    make(idleGenerators(0, samples.subarray(1))),
  ];
  assert.deepEqual(one.weights, same.weights);
  assert.deepEqual(one.head, same.head);
  for (const take of [other, elsewhere]) assert.notDeepEqual(one.head, take.head);
});

test("eyes are open at the end, though speech ends in a pause", () => {
  for (let seed = 0; seed < 40; seed++) {
    const times = Float64Array.from({ length: 75 + seed }, (_, i) => i / 30);
    const speech = Uint8Array.from(times, (time) => Number(time < times.at(-1) - 0.1));
    const closure = blinks(times, new Random(seed, 0), speech, [], constants.idle);
    assert.ok(closure.at(-1) < 0.01);
    assert.ok(Math.max(...closure) > 0.98);
  }
});

test("what is drawn is spread as it should be", () => {
  const rng = new Random(7, 1);
  const count = 20000;
  const moments = (draw) => {
    const values = Array.from({ length: count }, draw);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count];
  };
  const near = ([mean, variance], expected) => {
    assert.ok(Math.abs(mean - expected[0]) < 0.05 && Math.abs(variance / expected[1] - 1) < 0.05, `${mean} ${variance}`);
  };
  near(moments(() => rng.random()), [0.5, 1 / 12]);
  near(moments(() => rng.normal(1, 2)), [1, 4]);
  near(moments(() => rng.gamma(2.2, 1.25)), [2.75, 2.2 * 1.25 ** 2]);
  near(moments(() => rng.sign()), [0, 1]);
});
