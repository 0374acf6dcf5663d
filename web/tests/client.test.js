/** What a page uses around the face: the worker's client, the queue of frames, files that are fetched and written. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { WorkerFace } from "../src/client.js";
import { fetchBytes } from "../src/files.js";
import { FrameQueue } from "../src/frames.js";
import { animatedGlb, readGlb, writeGlb } from "../src/glb.js";
import { Networks } from "../src/networks.js";
import { SEDTalker } from "../src/sedtalker.js";
import { SHAPES } from "../src/tables.js";

/** A face whose worker answers by a function. @param {(message: any) => object} answer */
async function faceWith(answer) {
  globalThis.document = { baseURI: "http://localhost/" };
  globalThis.Worker = class {
    postMessage(message) {
      queueMicrotask(() => this.onmessage({ data: { id: message.id, value: {}, ...answer(message) } }));
    }
  };
  return WorkerFace.load("models/");
}

test("options that the worker refuses are refused where sound is pushed, and nowhere else", async () => {
  const face = await faceWith(({ act }) => (act === "open" ? { error: "hop: 1" } : {}));
  const stream = face.stream({ hop: 1 });
  await new Promise((soon) => setTimeout(soon, 20)); // an answer that nobody has asked for yet would end the test here
  await assert.rejects(stream.push(new Float32Array(9)), /^Error: hop: 1$/);
});

test("a buffer that is used again is pushed as it was", async () => {
  const sent = [];
  const face = await faceWith(({ samples }) => void (samples && sent.push(samples[0])));
  const [stream, buffer] = [face.stream(), new Float32Array(1)];
  const answers = [0.25, 0.5, 0.75].map((value) => stream.push(buffer.fill(value)));
  await Promise.all(answers);
  assert.deepEqual(sent, [0.25, 0.5, 0.75]);
});

test("a queue goes on with the next stream at once", () => {
  const queue = new FrameQueue();
  const push = (from, stream) => queue.push([0, 1, 2].map((k) => ({ time: (from + k) / 30, stream })));
  for (let k = 0; k < 900; k += 3) push(k, 1);
  queue.take(100);
  const shown = [];
  for (let k = 0; k < 60; k += 3) {
    push(k, 2);
    shown.push(queue.take(100 + k / 30)?.stream);
  }
  assert.ok(shown.slice(1).every((stream) => stream === 2), `${shown}`);
});

test("a file whose connection is cut is asked for with a sentence", async () => {
  const server = createServer((_, answer) => {
    answer.writeHead(200, { "content-length": 1000 });
    answer.write("some");
    setTimeout(() => answer.destroy(), 50);
  });
  await new Promise((ready) => server.listen(0, ready));
  const url = `http://localhost:${server.address().port}/diarizer.onnx`;
  const said = await fetchBytes(url).catch((error) => error.message);
  server.close();
  assert.equal(said, "diarizer.onnx could not be loaded: is there a connection?");
});

test("a network that could not be loaded is asked for again", async () => {
  let asked = 0;
  const open = async () => {
    if (asked++ === 0) throw new Error("no connection");
    return "session";
  };
  const networks = new Networks({ constants: {} }, null, open);
  await assert.rejects(networks.session("diarizer"), /no connection/);
  assert.equal(await networks.session("diarizer"), "session");
  assert.equal(await networks.session("diarizer"), "session");
  assert.equal(asked, 2);
});

test("a face that is closed releases its networks after what runs, and computes no more", async () => {
  const done = [];
  const open = async (name) => ({
    run: () => new Promise((soon) => setTimeout(() => soon(done.push(`${name} ran`)), 20)),
    release: async () => done.push(`${name} released`),
  });
  const face = new SEDTalker(new Networks({ constants: {} }, null, open));
  const [one] = await Promise.all([face.networks.session("one"), face.networks.session("two")]);
  const running = face.networks.run(one, {});
  await new Promise((soon) => setTimeout(soon, 5));
  const waiting = face.networks.run(one, {}).catch((error) => error.message);
  await Promise.all([running, face.close(), face.close()]);
  assert.deepEqual(done, ["one ran", "one released", "two released"]);
  assert.equal(await waiting, "The face was closed.");
  await assert.rejects(face.networks.session("one"), /^Error: The face was closed\.$/);
  await assert.rejects(face.networks.run(one, {}), /^Error: The face was closed\.$/);
});

/** A GLB with a head that has one target. @param {number[]} [rotation] of its node */
function glbWith(rotation) {
  const nodes = [{ name: "head", mesh: 0, ...(rotation ? { rotation } : {}) }];
  const meshes = [{ primitives: [], extras: { targetNames: ["jawOpen"] } }];
  return writeGlb({ document: { asset: { version: "2.0" }, nodes, meshes, bufferViews: [], accessors: [] }, binary: new Uint8Array(0) });
}

test("the head of a GLB turns from its own rest", () => {
  const half = Math.SQRT1_2;
  const { names, tongueNames } = SHAPES;
  const still = { fps: 30, names, tongueNames, weights: new Float32Array(52), tongue: new Float32Array(3), head: new Float32Array(3), track: null };
  const turned = { ...still, head: Float32Array.of(0, Math.PI / 2, 0) };
  const rotation = (rest, animation) => {
    const { document, binary } = readGlb(animatedGlb(glbWith(rest), animation));
    const { channels, samplers } = document.animations[0];
    const sampler = samplers[channels.find(({ target }) => target.path === "rotation").sampler];
    const { byteOffset } = document.bufferViews[document.accessors[sampler.output].bufferView];
    return [...new Float32Array(binary.slice(byteOffset, byteOffset + 16).buffer)];
  };
  const close = (found, wanted) => found.forEach((value, k) => assert.ok(Math.abs(value - wanted[k]) < 1e-6, `${found}`));
  close(rotation(undefined, turned), [0, half, 0, half]);
  close(rotation([half, 0, 0, half], still), [half, 0, 0, half]);
  close(rotation([half, 0, 0, half], turned), [0.5, 0.5, 0.5, 0.5]);
});

test("a GLB holds numbers alone", () => {
  const still = { fps: 30, ...SHAPES, weights: new Float32Array(52), tongue: new Float32Array(3), head: new Float32Array(3), track: null };
  for (const broken of [{ weights: new Float32Array(52).fill(NaN) }, { head: Float32Array.of(0, NaN, 0) }, { fps: 0 }]) {
    assert.throws(() => animatedGlb(glbWith(), { ...still, ...broken }), /^RangeError: This animation holds what is no number/);
  }
});

test("a GLB that is cut off says so", () => {
  const whole = new Uint8Array(glbWith());
  assert.throws(() => readGlb(whole.slice(0, whole.length - 60)), /^Error: This GLB is cut off\.$/);
});
