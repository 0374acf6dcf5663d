import assert from "node:assert/strict";
import { test } from "node:test";

import { Ear } from "../src/features.js";
import { assemble } from "../src/assembly.js";
import { encode } from "../src/networks.js";
import { listen, move } from "../src/recipe.js";
import { ModelError, SEDTalker } from "../src/sedtalker.js";
import { drawnGenerators } from "./support/drawn.js";
import { assertClose, constants, laughingRecording, musicalRecording, recordingWith, reference, runtime, sampleRecording, withoutNetworks } from "./support/reference.js";

const skip = withoutNetworks;
const samples = sampleRecording();
let opened;

/** The networks, opened once. */
async function face() {
  if (!opened) {
    const { ort, models } = await runtime();
    opened = SEDTalker.load(models, { ort });
  }
  return opened;
}

test("encoders and phones give Python's hidden vectors and posteriors", { skip }, async () => {
  const { networks } = await face();
  const hidden = await encode(networks, new Ear(constants.features).analyse(samples));
  assertClose(hidden.speech, reference.hidden.speech, 2e-3, "hidden vectors of the speech encoder");
  assertClose(hidden.emotion, reference.hidden.emotion, 2e-3, "hidden vectors of the emotion encoder");
  const streamed = await networks.streamedArticulation(hidden.speech);
  assertClose(streamed.lips, reference.streamed.lips, 1e-3, "lip posteriors of a stream");
  assertClose(streamed.tongue, reference.streamed.tongue, 1e-3, "tongue posteriors of a stream");
  assertClose(streamed.mouth, reference.streamed.mouth, 1e-3, "mouth of a stream");
  const found = await networks.articulation(hidden);
  assertClose(found.lips, reference.articulation.lips, 1e-3, "lip posteriors of a recording");
  assertClose(found.tongue, reference.articulation.tongue, 1e-3, "tongue posteriors of a recording");
  assertClose(found.mouth, reference.articulation.mouth, 1e-3, "mouth of a recording");
});

test("a recording is animated as `sedtalker animate` does", { skip }, async () => {
  const shares = [];
  const animation = await (await face()).animate(samples, { fps: reference.animation.fps, idle: false, onprogress: (share) => shares.push(share) });
  assertClose(animation.weights, reference.animation.weights, 1e-3, "weights");
  assertClose(animation.tongue, reference.animation.tongue, 1e-3, "tongue");
  assertClose(animation.track.posterior, reference.track.posterior, 1e-3, "shown posterior");
  assertClose(animation.track.intensity, reference.track.intensity, 1e-3, "shown intensity");
  assertClose(animation.track.recognised.posterior, reference.track.recognised.posterior, 1e-3, "recognised posterior");
  assert.deepEqual(animation.track.segments.map((s) => s.label), reference.track.segments.map((s) => s.label));
  assert.ok(animation.head.every((value) => value === 0));
  assert.ok(shares.length > 3 && shares.every((share, i) => i === 0 || share >= shares[i - 1]) && shares.at(-1) === 1);
});

test("so is one of an odd number of frames", { skip }, async () => {
  const { seconds, fps, weights } = reference.short;
  const short = samples.subarray(0, Math.round(seconds * constants.features.sample_rate));
  const animation = await (await face()).animate(short, { fps, idle: false });
  assert.equal(animation.track.intensity.length % 2, 1);
  assertClose(animation.weights, weights, 1e-3, "weights of a short recording");
});

test("a laugh is found and shown as in Python", { skip }, async () => {
  const { networks } = await face();
  const { animation, bursts } = reference.laughter;
  const progress = async () => {};
  const heard = await listen(networks, laughingRecording(), progress);
  assert.deepEqual(heard.track.bursts.map(({ start, end, kind }) => [start, end, kind]), bursts.map(({ start, end, kind }) => [start, end, kind]));
  const moved = await move(networks, heard, progress);
  const made = assemble(moved, heard, { fps: animation.fps, generators: drawnGenerators() }, constants);
  assertClose(made.weights, animation.weights, 1e-3, "weights of a laugh");
  assertClose(made.head, animation.head, 1e-3, "head of a laugh");
});

test("a mouth rests over music, and moves in the speech after it, as in Python", { skip }, async () => {
  const { animation } = reference.music;
  const { weights, names } = await (await face()).animate(musicalRecording(), { fps: animation.fps, idle: false });
  assertClose(weights, animation.weights, 1e-3, "weights over music and in speech");
  const jaw = [...weights].filter((_, at) => at % names.length === names.indexOf("jawOpen"));
  const begins = Math.round(2 * animation.fps);
  assert.ok(Math.max(...jaw.slice(0, begins - 5)) < 0.05);
  assert.ok(Math.max(...jaw.slice(begins)) > 0.15);
});

for (const [name, there] of Object.entries(reference.short_sounds)) {
  test(`a ${name} after a pause is speech as far as in Python`, { skip }, async () => {
    const { track } = await listen((await face()).networks, recordingWith(there), async () => {});
    assertClose(track.speech, there.speech, 0, `speech of a ${name}`);
    assertClose(track.intensity, there.intensity, 1e-3, `shown intensity of a ${name}`);
    assert.equal(track.speech.subarray(220).includes(1), name === "voice");
  });
}

test("no recording and no models are said in one line", { skip }, async () => {
  const live = await face();
  await assert.rejects(live.animate(new Float32Array(100)), /^RangeError: This sound is shorter than 0\.1 s: there is no syllable in it\.$/);
  for (const given of [new Int16Array(16000), "sound", undefined]) {
    await assert.rejects(live.animate(given), /^TypeError: Give the sound as a Float32Array, .* not as \[object \w+\]\.$/);
    await assert.rejects(live.stream().push(given), TypeError);
  }
  await assert.rejects(live.animate(new Float32Array(16000), { fps: 0 }), /^RangeError: fps: 0 is no number/);
  const nothing = { posterior: new Float32Array(700), intensity: new Float32Array(100).fill(NaN), segments: [] };
  await assert.rejects(live.animate(new Float32Array(32000), { emotion: nothing }), /^RangeError: the emotion holds what is no number$/);
  assert.throws(() => live.stream({ fps: -1 }), /^RangeError: fps: -1 is no number/);
  const { ort } = await runtime();
  for (const there of ["http://127.0.0.1:9/models/", "/no/such/folder"]) {
    await assert.rejects(SEDTalker.load(there, { ort }), /^ModelError: .*\w\/model\.json cannot be read: give the folder that/);
  }
  const page = async () => new TextEncoder().encode("<!doctype html>");
  await assert.rejects(SEDTalker.load("models", { ort, read: page }), /^Error: models: model\.json is no JSON: does the server/);
  const read = async () => new TextEncoder().encode('{"version": 1, "constants": {}}');
  await assert.rejects(SEDTalker.load("old", { ort, read }), (error) => error instanceof ModelError && /another version/.test(error.message));
});
