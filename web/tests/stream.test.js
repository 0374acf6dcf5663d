import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveSegmentation, decodeLabels } from "../src/segmentation.js";
import { SEDTalker } from "../src/sedtalker.js";
import { drawnGenerators } from "./support/drawn.js";
import { assertClose, constants, laughingRecording, musicalRecording, recordingWith, reference, runtime, sampleRecording, whole, withoutNetworks } from "./support/reference.js";

const { seconds, piece } = reference.stream;
let opened;
const samples = sampleRecording().subarray(0, Math.round(seconds * constants.features.sample_rate));

test("with all frames known at once, live segments are those of the recording", () => {
  const [posterior, boundary] = [whole(reference.frames.posterior), whole(reference.frames.boundary)];
  const speech = Uint8Array.from(whole(reference.frames.speech));
  const live = new LiveSegmentation(7, 50, constants.segments).decide(posterior, speech, speech.length, false, boundary);
  assert.deepEqual(live, decodeLabels(posterior, 7, 50, constants.segments, speech, boundary));
});

test("options that make no face are refused in a line", async () => {
  const face = new SEDTalker({ constants });
  for (const hop of [0, 0.05, -0.08, NaN]) assert.throws(() => face.stream({ hop }), /hop: .* is no multiple of 0.08 seconds/);
  for (const lookAhead of [-1, 6, NaN, Infinity]) assert.throws(() => face.stream({ lookAhead }), /lookAhead: .* between 0 and 5 seconds/);
  for (const fps of [0, -30, NaN, Infinity]) assert.throws(() => face.stream({ fps }), /fps: .* is no number of frames a second/);
  await assert.rejects(face.animate(new Float32Array(16000), { emotion: "happy:0.8" }), /posterior, intensity and segments/);
});

/** Streams the recording, and compares every frame and how many had come out after each piece. */
async function compare(there, options, sound = samples) {
  const { ort, models } = await runtime();
  opened ??= SEDTalker.load(models, { ort });
  const stream = (await opened).stream({ fps: there.fps, ...options });
  const frames = [];
  for (let start = 0; start < sound.length; start += piece) {
    frames.push(...(await stream.push(sound.subarray(start, start + piece))));
    assert.equal(frames.length, there.counts[start / piece]);
  }
  frames.push(...(await stream.flush()));
  assert.equal(frames.length, there.frames);
  await assert.rejects(stream.push(sound.subarray(0, piece)), /^Error: The stream has ended: begin a new one\.$/);
  assert.deepEqual(await stream.flush(), []);
  for (const name of ["weights", "tongue", "head"]) {
    assertClose(frames.flatMap((frame) => [...frame[name]]), there[name], 1e-3, `${name} of a stream`);
  }
  assertClose(frames.map((frame) => frame.intensity), there.intensity, 1e-3, "intensity of a stream");
  assert.deepEqual(frames.filter((_, i) => i % there.intensity.every === 0).map((frame) => frame.emotion), there.emotion);
  frames.forEach((frame, i) => assert.ok(Math.abs(frame.time - i / there.fps) < 1e-4));
  return frames;
}

test("a stream gives Python's frames, after as many samples as there", { skip: withoutNetworks }, async () => {
  await compare(reference.stream, { idle: false });
});

test("with the same numbers drawn, blinks, gaze and head of a stream are Python's", { skip: withoutNetworks }, async () => {
  await compare(reference.lively_stream, { generators: drawnGenerators() });
});

test("a laugh moves the face and the head of a stream as in Python", { skip: withoutNetworks }, async () => {
  const frames = await compare(reference.laughter.stream, { idle: false }, laughingRecording());
  const smile = constants.arkit.names.indexOf("mouthSmileLeft");
  const most = Math.max(...frames.map(({ weights }) => weights[smile]));
  assert.ok(most > 0.5 * constants.bursts.held.laugh.mouthSmileLeft, `mouthSmileLeft reaches ${most}`);
});

test("a stream's mouth rests over music as in Python", { skip: withoutNetworks }, async () => {
  await compare(reference.music.stream, { idle: false }, musicalRecording());
});

for (const [name, there] of Object.entries(reference.short_sounds)) {
  test(`a ${name} after a pause is shown by a stream as far as in Python`, { skip: withoutNetworks }, async () => {
    const frames = await compare(there.stream, { idle: false }, recordingWith(there));
    const after = frames.filter(({ time }) => time > 5.5);
    assert.equal(Math.max(...after.map(({ intensity }) => intensity)) > 0.3, name === "voice");
  });
}

test("pieces that are pushed at once are worked on one after another", { skip: withoutNetworks }, async () => {
  const pieces = [0, 1, 2, 3].map((k) => samples.subarray(4000 * k, 4000 * (k + 1)));
  const [patient, hasty] = [0, 1].map(async () => (await opened).stream({ fps: 30, seed: 3 }));
  const one = [];
  for (const part of pieces) one.push(...(await (await patient).push(part)));
  const other = (await Promise.all(pieces.map(async (part) => (await hasty).push(part)))).flat();
  assert.deepEqual(other, one);
  await (await hasty).flush();
  await assert.rejects((await hasty).push(pieces[0]), /ended/);
});

test("streams and recordings side by side are as if each were alone", { skip: withoutNetworks }, async () => {
  const face = await opened;
  const streamed = async (part) => {
    const stream = face.stream({ idle: false });
    return [...(await stream.push(part)), ...(await stream.flush())];
  };
  const [one, other] = [samples.subarray(0, 16000), samples.subarray(16000, 40000)];
  const alone = [await streamed(one), await streamed(other), await face.animate(one)];
  assert.deepEqual(await Promise.all([streamed(one), streamed(other), face.animate(one)]), alone);
});

test("sound that is refused leaves the stream, and a buffer may be used again at once", { skip: withoutNetworks }, async () => {
  const [careful, hasty] = [0, 1].map(() => opened.then((face) => face.stream({ idle: false })));
  for (const sound of [undefined, new Int16Array(640), [samples, samples]]) await assert.rejects((await hasty).push(sound), /Give the sound as a Float32Array/);
  const buffer = new Float32Array(3200);
  const made = [];
  for (const [stream, kept] of [[await careful, (part) => part.slice()], [await hasty, (part) => part]]) {
    const answers = [0, 1, 2, 3].map((k) => {
      buffer.set(samples.subarray(3200 * k, 3200 * (k + 1)));
      return stream.push(kept(buffer));
    });
    made.push((await Promise.all(answers)).flat());
  }
  assert.deepEqual(made[1], made[0]);
});

test("a stream that ends before any sound, or before a frame of it, has no frames", { skip: withoutNetworks }, async () => {
  for (const count of [0, 1, 319]) {
    const stream = (await opened).stream({ fps: 30 });
    assert.deepEqual(await stream.push(samples.subarray(0, count)), []);
    assert.deepEqual(await stream.flush(), []);
  }
  const stream = (await opened).stream();
  assert.deepEqual(await stream.flush(), [], "nothing was pushed");
});

test("a stream has as many frames as the recording", { skip: withoutNetworks }, async () => {
  for (const [count, fps, frames] of [[33000, 30, 62], [16320, 60, 62], [20000, 60, 75]]) {
    const stream = (await opened).stream({ fps, idle: false });
    const made = await stream.push(samples.subarray(0, count));
    made.push(...(await stream.flush()));
    assert.deepEqual(made.map(({ time }) => Math.round(time * fps)), Array.from({ length: frames }, (_, i) => i));
    assert.ok(made.every(({ weights }) => weights.every((weight) => weight >= 0 && weight <= 1)));
  }
});

test("listen gives the frames of pieces as they come", { skip: withoutNetworks }, async () => {
  const pieces = [samples.subarray(0, 9000), samples.subarray(9000, 16000)];
  const times = [];
  for await (const frame of (await opened).listen(pieces, { fps: 25, idle: false })) times.push(frame.time);
  assert.deepEqual(times, Array.from({ length: 25 }, (_, i) => i / 25));
});
