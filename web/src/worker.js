/**
 * The face in a Web Worker, so that a page stays smooth. `client.js` speaks with it.
 *
 * A message is `{id, act, …}`; answers are `{id, value}`, `{id, error}` and, before them, `{id, progress}`. Tables travel
 * as transferred arrays: nothing is copied.
 */

import { ENDED } from "./animation_stream.js";
import { fetchBytes, parsedJson } from "./files.js";
import { SEDTalker } from "./sedtalker.js";

/** @type {any} */
let face = null;
/** @type {Map<number, any>} */
const streams = new Map();

/**
 * The models, and onnxruntime with one thread: static pages get no shared memory.
 * @param {{base: string, ort?: string, wasm?: string, suffix: string}} where URLs; `suffix` of the models' files, as `.gz`;
 *   without `ort` and `wasm`, onnxruntime-web is the one that a bundler puts in
 * @param {(value: unknown) => void} progress
 */
async function load({ base, ort, wasm, suffix }, progress) {
  let bytes = 0;
  const took = (/** @type {number} */ more) => progress({ bytes: (bytes += more) });
  /** @type {Map<string, Promise<ArrayBuffer>>} */
  const files = new Map();
  const read = (/** @type {string} */ name) => {
    if (!files.has(name)) files.set(name, fetchBytes(new URL(name + suffix, base), took));
    return /** @type {Promise<ArrayBuffer>} */ (files.get(name));
  };
  const described = read("model.json").then((data) => parsedJson(data, "model.json"));
  // All networks come side by side, while the first ones are opened.
  const coming = described.then((model) => Promise.all(Object.keys(model.models ?? {}).map((name) => read(`${name}.onnx`))));
  coming.catch(() => {});
  const [runtime, binary] = await Promise.all([
    ort ? import(/* @vite-ignore */ /* webpackIgnore: true */ ort) : import("onnxruntime-web/wasm"),
    wasm && fetchBytes(wasm, took),
    described,
  ]);
  runtime.env.wasm.numThreads = 1;
  if (binary) runtime.env.wasm.wasmBinary = binary;
  const take = async (/** @type {string} */ name) => {
    const data = await read(name);
    files.delete(name);
    return data;
  };
  face = await SEDTalker.load(base, { ort: runtime, read: take });
  await face.networks?.warm("file");
  await coming;
  return { bytes };
}

/** @param {any} value @param {Set<ArrayBuffer>} found @returns {Set<ArrayBuffer>} the buffers of all tables in it */
function buffersOf(value, found = new Set()) {
  if (ArrayBuffer.isView(value)) found.add(/** @type {ArrayBuffer} */ (value.buffer));
  else if (Array.isArray(value)) value.forEach((each) => typeof each === "object" && buffersOf(each, found));
  else if (value && typeof value === "object") Object.values(value).forEach((each) => buffersOf(each, found));
  return found;
}

/** @type {Record<string, (message: any, progress: (value: unknown) => void) => any>} */
const acts = {
  load: (message, progress) => load(message.where, progress),
  animate: ({ samples, options }, progress) => face.animate(samples, { ...options, onprogress: progress }),
  open: ({ stream, options }) => void streams.set(stream, face.stream(options)),
  push({ stream, samples }) {
    const open = streams.get(stream);
    if (!open) throw new Error(ENDED);
    return open.push(samples);
  },
  async flush({ stream }) {
    const rest = await streams.get(stream)?.flush();
    streams.delete(stream);
    return rest ?? [];
  },
  close: ({ stream }) => void streams.delete(stream),
};

/** One after another: sessions of onnxruntime compute one thing at a time. */
let last = Promise.resolve();

self.onmessage = ({ data }) => {
  const progress = (/** @type {unknown} */ value) => postMessage({ id: data.id, progress: value });
  last = last.then(async () => {
    try {
      const value = await acts[data.act](data, progress);
      // Frames may share a table with the stream's own state: only an animation's tables are given away.
      postMessage({ id: data.id, value }, { transfer: data.act === "animate" ? [...buffersOf(value)] : [] });
    } catch (error) {
      postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
};
