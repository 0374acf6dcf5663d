import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveSegmentation, decodeLabels } from "../src/segmentation.js";
import { SEDTalker } from "../src/sedtalker.js";
import { assertClose, constants, reference, runtime, sampleRecording, whole, withoutNetworks } from "./support/reference.js";

const { fps, seconds, piece, counts } = reference.stream;
const samples = sampleRecording().subarray(0, Math.round(seconds * constants.features.sample_rate));

test("with all frames known at once, live segments are those of the recording", () => {
  const [posterior, boundary] = [whole(reference.frames.posterior), whole(reference.frames.boundary)];
  const speech = Uint8Array.from(whole(reference.frames.speech));
  const live = new LiveSegmentation(7, 50, constants.segments).decide(posterior, speech, speech.length, false, boundary);
  assert.deepEqual(live, decodeLabels(posterior, 7, 50, constants.segments, speech, boundary));
});

test("a stream gives Python's frames, after as many samples as there", { skip: withoutNetworks }, async () => {
  const { ort, models } = await runtime();
  const stream = (await SEDTalker.load(models, { ort })).stream({ fps, idle: false });
  const frames = [];
  for (let start = 0; start < samples.length; start += piece) {
    frames.push(...(await stream.push(samples.subarray(start, start + piece))));
    assert.equal(frames.length, counts[start / piece]);
  }
  frames.push(...(await stream.flush()));
  assert.equal(frames.length, reference.stream.frames);
  const flat = (name) => frames.flatMap((frame) => [...frame[name]]);
  assertClose(frames.map((frame) => frame.intensity), reference.stream.intensity, 1e-3, "intensity");
  assertClose(flat("weights"), reference.stream.weights, 1e-3, "weights of a stream");
  assertClose(flat("tongue"), reference.stream.tongue, 1e-3, "tongue of a stream");
  assert.deepEqual(frames.filter((_, i) => i % 5 === 0).map((frame) => frame.emotion), reference.stream.emotion);
  frames.forEach((frame, i) => assert.ok(Math.abs(frame.time - i / fps) < 1e-4));
});
