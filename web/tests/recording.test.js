import assert from "node:assert/strict";
import { test } from "node:test";

import { burstsOf } from "../src/bursts.js";
import { easeCuts } from "../src/conditioning.js";
import { emotionTrack, noVoice, shapeTrack } from "../src/emotion.js";
import { Ear } from "../src/features.js";
import { assemble } from "../src/assembly.js";
import { finishMouth } from "../src/recipe.js";
import { segmentsOf } from "../src/segmentation.js";
import { assertClose, constants, reference, sampleRecording, whole } from "./support/reference.js";

const duration = sampleRecording().length / constants.features.sample_rate;
const frames = Object.fromEntries(Object.entries(reference.frames).map(([name, stored]) => [name, whole(stored)]));
frames.speech = Uint8Array.from(frames.speech);
const track = emotionTrack(frames, duration, constants);

test("the track of frames is Python's: shown, recognised and segments", () => {
  assertClose(track.posterior, reference.track.posterior, 1e-3, "shown posterior");
  assertClose(track.intensity, reference.track.intensity, 1e-3, "shown intensity");
  assertClose(track.recognised.posterior, reference.track.recognised.posterior, 1e-5, "recognised posterior");
  assertClose(track.recognised.intensity, reference.track.recognised.intensity, 1e-5, "recognised intensity");
  assert.equal(track.segments.length, reference.track.segments.length);
  track.segments.forEach((segment, i) => {
    for (const [name, value] of Object.entries(reference.track.segments[i])) {
      if (name === "label") assert.equal(segment.label, value);
      else assert.ok(Math.abs(segment[name] - value) < 1e-3, `${name} of segment ${i}: ${segment[name]} and ${value}`);
    }
  });
});

test("bursts are found in the detector's probabilities as in Python, and none in what is no voice", () => {
  const { posterior, distance, bursts } = reference.laughter;
  assert.deepEqual(burstsOf(whole(posterior), whole(distance), constants), bursts);
  const strange = whole(distance).fill(1e3);
  assert.deepEqual(burstsOf(whole(posterior), strange, constants), []);
  assert.deepEqual(burstsOf(new Float32Array(0), strange, constants), []);
});

test("a short sound between pauses that is far from the training is no voice, once it has ended", async () => {
  const speech = new Uint8Array(400);
  const sounds = { voice: [20, 140], slam: [200, 225], brief: [300, 315], last: [380, 400] };
  for (const [first, end] of Object.values(sounds)) speech.fill(1, first, end);
  const judged = async (distance, ended, since, mask = speech) => {
    const asked = [];
    const diarize = async (_, first, end) => {
      asked.push(Object.keys(sounds).find((name) => sounds[name][0] === first));
      return { distance: new Float32Array(end - first).fill(distance) };
    };
    const other = await noVoice({ constants, diarize }, {}, mask, ended, since);
    return [asked, Object.keys(sounds).filter((name) => other[sounds[name][0]])];
  };
  const { familiar: [, limit] } = constants.shown;
  assert.deepEqual(await judged(0.9 * limit, true, 0), [["slam", "brief", "last"], []]);
  assert.deepEqual(await judged(1.1 * limit, true, 0), [["slam", "brief", "last"], ["slam", "last"]]);
  assert.deepEqual(await judged(1.6 * limit, false, 0), [["slam", "brief"], ["slam", "brief"]], "the last may go on");
  assert.deepEqual(await judged(1.6 * limit, false, 225), [["brief"], ["brief"]], "the slam was judged before");
  const alone = speech.map((value, i) => (i > 200 && i < 225 ? value : 0));
  assert.deepEqual(await judged(1.6 * limit, true, 0, alone), [[], []], "there is nothing beside it");
});

test("a recording in which nobody speaks is neutral", () => {
  const silent = { ...frames, speech: new Uint8Array(frames.speech.length) };
  const shaped = shapeTrack(silent, constants.features.frame_rate, constants);
  assert.ok(shaped.intensity.every((value) => value === 0));
  assert.ok(shaped.posterior.every((value, i) => value === (i % 7 ? 0 : 1)));
});

test("a recording of nothing but other sounds has no speech", () => {
  const music = emotionTrack({ ...frames, distance: frames.distance.map(() => 9) }, duration, constants);
  assert.deepEqual([music.segments, music.speech.includes(1), Math.max(...music.intensity)], [[], false, 0]);
});

test("music between pauses is a gap beside speech, and a voice that is a little like it is none", () => {
  const values = { ...frames, speech: new Uint8Array(300), distance: new Float32Array(300) };
  for (const name of ["posterior", "intensity", "boundary"]) values[name] = frames[name].subarray(0, 300 * (name === "posterior" ? 7 : 1));
  for (const first of [0, 150]) values.speech.fill(1, first, first + 100);
  values.distance.fill(9, 0, 81);
  const { speech } = emotionTrack(values, 6, constants);
  assert.deepEqual([speech.indexOf(1), values.speech.indexOf(1)], [150, 0]);
  values.distance.fill(0, 79, 81);
  assert.equal(emotionTrack(values, 6, constants).speech.indexOf(1), 0);
});

test("a recording without speech has no segment, however short it is", () => {
  const posterior = Float32Array.from({ length: 20 * 7 }, (_, i) => (i % 7 ? 0 : 1));
  const values = { posterior, intensity: new Float32Array(20), recognised: { posterior }, labels: track.labels };
  const found = (speaks) => segmentsOf(
    { ...values, speech: new Uint8Array(20).fill(speaks), rate: 50, duration: 0.4, offset: 0.01 },
    constants.track,
    constants.segments,
  );
  assert.deepEqual(found(0), []);
  assert.deepEqual(found(1).map(({ label, start, end }) => [label, start, end]), [[track.labels[0], 0, 0.4]]);
});

test("the decoder's motion is finished as Python does: upper face, closures, tongue, the video clock", () => {
  const emotion = easeCuts(track.posterior, track.intensity, constants.conditioning);
  const phones = Object.fromEntries(Object.entries(reference.articulation).map(([name, rows]) => [name, whole(rows)]));
  const moved = finishMouth(whole(reference.motion), emotion, phones, new Ear(constants.features).analyse(sampleRecording()), constants);
  assertClose(moved.weights, reference.moved, 1e-4, "finished motion");
  const made = assemble(moved, { track }, { fps: reference.animation.fps, generators: null }, constants);
  assertClose(made.weights, reference.animation.weights, 1e-4, "weights at 30 frames a second");
  assertClose(made.tongue, reference.animation.tongue, 1e-4, "tongue at 30 frames a second");
});
