/** What Python makes of a sample recording (``scripts/make_web_reference.py``), and how tests compare with it. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

import { joined } from "../../src/rows.js";
import { Drawn } from "./drawn.js";

const HERE = new URL("../", import.meta.url);
const SAMPLE = new URL("../../../data/samples/four_moods.wav", import.meta.url);

/** The reference of the sample recording. */
export const reference = JSON.parse(gunzipSync(readFileSync(new URL("reference/four_moods.json.gz", HERE))).toString());
export const { constants } = reference;

/** Samples of the recording: 16 bits, mono, 16 kHz. */
export function sampleRecording() {
  const file = readFileSync(SAMPLE);
  const start = file.indexOf("data", 12, "latin1") + 8;
  const count = file.readUInt32LE(start - 4) / 2;
  return Float32Array.from({ length: count }, (_, i) => file.readInt16LE(start + 2 * i) / 32768);
}

/** Samples of 16 bits that Python wrote. */
function samplesOf(text) {
  const bytes = Buffer.from(text, "base64");
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / 32768);
}

/** The recording with a laugh between two times the sample's beginning. */
export function laughingRecording() {
  const speech = sampleRecording().subarray(0, reference.spoken);
  return joined([speech, samplesOf(reference.laughter.laugh), speech]);
}

/** A recording in which a sound follows the sample's beginning after a pause. @param {{sound: string}} there */
export function recordingWith({ sound }) {
  const [generator, { level, samples }] = [new Drawn(5), reference.room];
  const pause = Float32Array.from({ length: samples }, () => level * generator.normal());
  return joined([sampleRecording().subarray(0, reference.spoken), pause, samplesOf(sound), pause]);
}

/**
 * Rows that Python wrote.
 * @param {{shape: number[], every: number, values: string}} stored
 */
export function rows({ shape, every, values }) {
  const bytes = Buffer.from(values, "base64");
  const held = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return { values: held, every, width: shape.slice(1).reduce((a, b) => a * b, 1), count: shape[0] };
}

/** The values of rows of which every one is there. */
export function whole(stored) {
  assert.equal(stored.every, 1);
  return rows(stored).values;
}

/**
 * The largest difference from Python, and the share of the values that differ by more than a bound.
 * @param {ArrayLike<number>} made
 * @param {{shape: number[], every: number, values: string}} stored
 * @param {number} [bound]
 */
export function difference(made, stored, bound = 1e-3) {
  const { values, every, width, count } = rows(stored);
  assert.equal(made.length, count * width, "number of values");
  let largest = 0;
  let beyond = 0;
  values.forEach((value, at) => {
    const row = Math.floor(at / width) * every;
    const apart = Math.abs(made[row * width + (at % width)] - value);
    assert.ok(Number.isFinite(apart), `value ${at} is not a number`);
    largest = Math.max(largest, apart);
    beyond += apart > bound ? 1 : 0;
  });
  return { largest, beyond: beyond / values.length };
}

/** Asserts that all values are within a bound of Python's. */
export function assertClose(made, stored, bound, what) {
  const { largest } = difference(made, stored);
  if (process.env.SEDTALKER_WEB_PRINT) console.log(`${what}: ${largest.toExponential(1)}`);
  assert.ok(largest <= bound, `${what}: ${largest} from Python`);
}

const packages = process.env.SEDTALKER_NODE;
const models = process.env.SEDTALKER_WEB_MODELS;

/** Why tests with networks cannot run, or false. */
export const withoutNetworks =
  (!packages || !existsSync(`${packages}/node_modules/onnxruntime-web`)) && "no onnxruntime-web: set SEDTALKER_NODE" ||
  (!models || !existsSync(`${models}/model.json`)) && "no models: set SEDTALKER_WEB_MODELS to a folder of them";

/** What ``SEDTALKER_NODE`` and ``SEDTALKER_WEB_MODELS`` name: the runtime, and the folder of the graphs. */
export async function runtime() {
  const entry = createRequire(`${packages}/`).resolve("onnxruntime-web");
  return { ort: await import(pathToFileURL(entry)), models };
}

/** A recording that begins with music. */
export function musicalRecording() {
  return joined([samplesOf(reference.music.sound), sampleRecording().subarray(0, reference.spoken)]);
}
