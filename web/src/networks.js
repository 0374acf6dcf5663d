/**
 * The networks as ONNX graphs in onnxruntime-web, and the constants that go with them.
 *
 * A folder of models is written by ``sedtalker models export --onnx``: graphs, and ``model.json``. Encoders see a
 * bounded stretch of sound, so long recordings go through them in windows that overlap.
 */

import { centreBands } from "./features.js";
import { parsedJson } from "./files.js";
import { joined } from "./rows.js";
import { MODEL_VERSION } from "./tables.js";

const GRAPHS = ["speech_encoder", "emotion_encoder", "articulation", "articulation_streaming", "diarizer", "burst_detector"];
/** Rows that the graphs of phones, the mouth and vocal bursts take at least. */
const LEAST_ROWS = 4;
/** How many frames the decoder takes at a time, in recordings and in streams: ``decoder_64`` and ``decoder_4``. */
export const DECODER_FRAMES = { file: 64, stream: 4 };

/** A folder of models of another version, or none. */
export class ModelError extends Error {
  name = "ModelError";
}

/** All that onnxruntime-web was asked for: its sessions share one stack, so that two that run at once spoil each other. */
let last = Promise.resolve();

/** @param {() => Promise<any>} work is done when all work before it is @returns {Promise<any>} */
function inTurn(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

/** Opened networks. */
export class Networks {
  /**
   * @param {Record<string, any>} model what ``model.json`` holds
   * @param {any} ort onnxruntime-web
   * @param {(name: string) => Promise<any>} open gives a session of a graph
   */
  constructor(model, ort, open) {
    this.model = model;
    this.constants = model.constants;
    this.ort = ort;
    /** @type {Map<string, Promise<any>>} */
    this.sessions = new Map();
    this.open = open;
    /** Why nothing is computed any more; empty: it is. */
    this.over = "";
  }

  /**
   * The networks of a folder.
   * @param {string | URL} base URL or, in Node, folder of the models
   * @param {object} [options]
   * @param {any} [options.ort] onnxruntime-web, where it is not to be imported
   * @param {object} [options.sessionOptions] for its sessions
   * @param {(name: string) => Promise<ArrayBuffer | Uint8Array>} [options.read] gives a file of the folder, where it is
   *   not fetched as it lies there
   */
  static async load(base, { ort, sessionOptions = {}, read = (name) => readFrom(base, name) } = {}) {
    const runtime = ort ?? (await import("onnxruntime-web/wasm"));
    const model = parsedJson(await read("model.json"), `${base}: model.json`);
    if (model.version !== MODEL_VERSION) throw new ModelError(`${base}: model.json is of another version of SEDTalker`);
    runtime.env.wasm.numThreads ??= 1; // static hosts send no headers that would allow more
    const open = async (name) => {
      const graph = await read(`${name}.onnx`);
      const options = { executionProviders: ["wasm"], ...sessionOptions };
      return inTurn(() => runtime.InferenceSession.create(new Uint8Array(graph), options));
    };
    return new Networks(model, runtime, open);
  }

  /** The session of a graph, opened at its first use; once more where that failed. */
  session(name) {
    if (this.over) return Promise.reject(new Error(this.over));
    if (!this.sessions.has(name)) {
      const opened = this.open(name);
      this.sessions.set(name, opened);
      opened.catch(() => this.sessions.delete(name));
    }
    return this.sessions.get(name);
  }

  /** What a session makes of its inputs. */
  run(session, feeds) {
    return inTurn(() => (this.over ? Promise.reject(new Error(this.over)) : session.run(feeds)));
  }

  /** Releases all sessions, after what runs now; what is asked later, or waits for its turn, is refused. */
  async close() {
    this.over = "The face was closed.";
    const opened = [...this.sessions.values()];
    this.sessions.clear();
    const sessions = await Promise.allSettled(opened);
    await inTurn(() => Promise.all(sessions.map(({ value }) => value?.release())));
  }

  /**
   * Opens what a recording or a stream needs, so that the first sound does not wait for it.
   * @param {"file" | "stream"} what
   * @param {(share: number) => void} [onprogress]
   */
  async warm(what, onprogress) {
    const names = [...GRAPHS, `decoder_${DECODER_FRAMES[what]}`];
    for (const [i, name] of names.entries()) {
      await this.session(name);
      onprogress?.((i + 1) / names.length);
    }
  }

  /** A float tensor. */
  tensor(values, shape) {
    return new this.ort.Tensor("float32", values, shape);
  }

  /**
   * Hidden vectors (T, D) of an encoder, and its next states.
   *
   * Those are of a moment ``pending`` frames before the end: log-mels from there on are to come again, with those that
   * follow them. Where fewer have come since the start, they are none.
   * @param {"speech_encoder" | "emotion_encoder"} name
   * @param {Float32Array} mel (2 T, 80) the next log-mels, centred for the speech encoder, from a multiple of its grid on
   * @param {Record<string, any>} [states] after those before them; without them, these are the first
   * @returns {Promise<{hidden: Float32Array, states: Record<string, any>}>}
   */
  async advance(name, mel, states) {
    const { mel_bands: bands } = this.constants.features;
    const { multiple, grid } = this.constants[name];
    const whole = Math.ceil(mel.length / bands / multiple) * multiple;
    const session = await this.session(name);
    const feeds = { mel: this.tensor(heldTo(mel, bands, whole), [1, whole, bands]) };
    const made = await this.run(session, { ...feeds, ...(states ?? startingStates(session, feeds, this)) });
    const { data, dims } = made.hidden;
    const [frames, width] = [mel.length / bands / 2, dims[2]];
    const hidden = grid === 1 ? data : new Float32Array(frames * width);
    for (let i = 0; grid > 1 && i < frames; i++) {
      const from = Math.floor(i / grid) * width; // frames of the emotion encoder are equal in pairs
      hidden.set(data.subarray(from, from + width), i * width);
    }
    return { hidden, states: nextStates(made) };
  }

  /**
   * Posteriors of phones that lips and tongue close for, in a recording: both encoders' together; and its mouth.
   * @param {{speech: Float32Array, emotion: Float32Array}} hidden (T, D) of both encoders
   * @returns {Promise<{lips: Float32Array, tongue: Float32Array, mouth: Float32Array}>} (T, 2) of p, b, m and of f, v;
   *   (T, 3) by place; (T, 52) the talking mouth without emotion
   */
  async articulation(hidden) {
    return this.#phones("articulation", { hidden: hidden.speech, emotion: hidden.emotion });
  }

  /**
   * The same while somebody speaks, of the speech encoder's vectors alone.
   * @param {Float32Array} hidden (T, D) of the speech encoder
   * @returns {Promise<{lips: Float32Array, tongue: Float32Array, mouth: Float32Array}>}
   */
  async streamedArticulation(hidden) {
    return this.#phones("articulation_streaming", { hidden });
  }

  /** A tensor (1, count, width) of rows, zeros behind them. */
  #rows(values, width, count) {
    const padded = new Float32Array(count * width);
    padded.set(values);
    return this.tensor(padded, [1, count, width]);
  }

  async #phones(graph, inputs) {
    const frames = inputs.hidden.length / this.constants.decoder.hidden;
    if (!frames) return { lips: new Float32Array(0), tongue: new Float32Array(0), mouth: new Float32Array(0) };
    const session = await this.session(graph);
    const whole = Math.max(frames, LEAST_ROWS);
    const rows = Object.entries(inputs).map(([name, values]) => [name, this.#rows(values, values.length / frames, whole)]);
    const { lips, tongue, mouth } = await this.run(session, Object.fromEntries(rows));
    const part = ({ data }) => data.subarray(0, (data.length / whole) * frames);
    return { lips: part(lips), tongue: part(tongue), mouth: part(mouth) };
  }

  /**
   * Probabilities of vocal bursts.
   * @param {Float32Array} rows (N, D + 4) of any number, see ``burstRows``
   * @returns {Promise<Float32Array>} (N, 1 + K): none, and each kind; rows sum to 1
   */
  async bursts(rows) {
    const { chunk, context, kinds, width } = this.constants.bursts;
    const session = await this.session("burst_detector");
    const [count, columns] = [rows.length / width, 1 + kinds.length];
    const found = new Float32Array(count * columns);
    for (let start = 0; start < count; start += chunk) {
      const [first, end] = [Math.max(0, start - context), Math.min(count, start + chunk + context)];
      const part = this.#rows(rows.subarray(first * width, end * width), width, Math.max(end - first, LEAST_ROWS));
      const { data } = (await this.run(session, { rows: part })).logits;
      const last = Math.min(count, start + chunk);
      found.set(data.subarray((start - first) * columns, (last - first) * columns), start * columns);
    }
    for (let at = 0; at < found.length; at += columns) {
      const row = found.subarray(at, at + columns);
      const most = Math.max(...row);
      const total = row.reduce((sum, value) => sum + Math.exp(value - most), 0);
      row.forEach((value, k) => (row[k] = Math.exp(value - most) / total));
    }
    return found;
  }

  /**
   * What the diarizer says of some frames.
   * @param {{mel: Float32Array, prosody: Float32Array, speech: Uint8Array, hidden: Float32Array}} given (T, …) each
   * @param {number} first
   * @param {number} end
   */
  async diarize({ mel, prosody, speech, hidden }, first, end) {
    const { row, least } = this.constants.diarizer;
    const { mel_bands: bands } = this.constants.features;
    const frames = end - first;
    const whole = Math.max(Math.ceil(frames / row) * row, least);
    const part = (values, width) =>
      this.tensor(heldTo(values.subarray(first * width, end * width), width, whole), [1, whole, width]);
    const flags = (values) => {
      const data = new Uint8Array(whole);
      data.set(values);
      return new this.ort.Tensor("bool", data, [1, whole]);
    };
    const width = hidden.length / speech.length;
    const session = await this.session("diarizer");
    const found = await this.run(session, {
      mel: part(mel, bands),
      prosody: part(prosody, 4),
      speech: flags(speech.subarray(first, end)),
      valid: flags(new Uint8Array(frames).fill(1)),
      hidden: part(hidden, width),
    });
    const classes = found.log_posterior.dims[2];
    return {
      posterior: found.log_posterior.data.subarray(0, frames * classes).map(Math.exp),
      intensity: found.intensity.data.subarray(0, frames),
      boundary: found.boundary.data.subarray(0, frames),
      distance: found.distance.data.subarray(0, frames),
    };
  }
}

/** Zeros for every state that a graph takes beside what it is fed. */
export function startingStates(session, feeds, networks) {
  const states = session.inputMetadata.filter(({ name }) => !(name in feeds));
  return Object.fromEntries(
    states.map(({ name, shape }) => {
      const one = shape.map((size) => (typeof size === "number" ? size : 1)); // one stream, where many may run together
      return [name, networks.tensor(new Float32Array(one.reduce((a, b) => a * b, 1)), one)];
    }),
  );
}

/** The states of the next step among what a graph gives. */
export function nextStates(made) {
  const next = "next_";
  const states = Object.entries(made).filter(([name]) => name.startsWith(next));
  return Object.fromEntries(states.map(([name, value]) => [name.slice(next.length), value]));
}

/** Rows (T, width) as long as ``count`` rows, the last one held: a change to zeros would look like a sound. */
function heldTo(values, width, count) {
  if (values.length === count * width) return values;
  const out = new Float32Array(count * width);
  out.set(values);
  for (let i = values.length; i < out.length; i++) out[i] = values[values.length - width + (i % width)];
  return out;
}

/**
 * Hidden vectors of a whole recording of both encoders, in windows of half a minute.
 * @param {Networks} networks
 * @param {import("./features.js").Analysis} analysis
 * @param {(share: number) => Promise<void>} [onprogress]
 * @returns {Promise<{speech: Float32Array, emotion: Float32Array}>} (T, 256) and (T, 192)
 */
export async function encode(networks, analysis, onprogress) {
  const { features, speech_encoder: lips, emotion_encoder: emotion } = networks.constants;
  const { mel_bands: bands, frame_rate: rate, window_seconds: seconds } = features;
  const step = Math.floor(seconds * rate);
  const found = { speech: [], emotion: [] };
  for (let start = 0; start < analysis.frames; start += step) {
    const count = Math.min(step, analysis.frames - start);
    const window = ({ context, around }) => [
      Math.max(start - context, -around),
      Math.min(start + step + context, analysis.frames + around),
    ];
    const [first, end] = window(lips);
    const centred = centreBands(analysis.mel, analysis.means, 2 * first, 2 * end);
    const speech = await networks.advance("speech_encoder", centred);
    found.speech.push(rowsOf(speech.hidden, end - first, start - first, count));
    const [begin, last] = window(emotion);
    const mel = analysis.mel.subarray(2 * Math.max(0, begin) * bands, 2 * last * bands);
    const silent = [Math.max(0, -begin), Math.max(0, last - analysis.frames)];
    const emotions = await networks.advance("emotion_encoder", withSilence(mel, features, ...silent));
    found.emotion.push(rowsOf(emotions.hidden, last - begin, start - begin, count));
    await onprogress?.((start + count) / analysis.frames);
  }
  return { speech: joined(found.speech), emotion: joined(found.emotion) };
}

/**
 * Log-mels (2 T, 80) with frames of digital silence, a pair each, at the ends.
 * @param {Float32Array} mel
 * @param {Record<string, any>} constants the section ``features``
 * @param {number} before
 * @param {number} [after]
 */
export function withSilence(mel, { mel_bands: bands, log_floor: floor }, before, after = 0) {
  if (!before && !after) return mel;
  const out = new Float32Array(mel.length + 2 * (before + after) * bands).fill(Math.log(floor));
  out.set(mel, 2 * before * bands);
  return out;
}

/** ``count`` rows from ``first`` on of so many rows. */
export function rowsOf(values, rows, first, count) {
  const width = values.length / rows;
  return values.subarray(first * width, (first + count) * width);
}

/** A file of a folder: of a URL, or in Node of a folder on disk. */
async function readFrom(base, name) {
  const text = String(base).replace(/\/$/, "");
  try {
    return await bytesOf(text, name);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${text}/${name} cannot be read: give the folder that "sedtalker models export --onnx" wrote`, { cause });
  }
}

/** @param {string} text folder or URL, without a slash at its end @param {string} name */
async function bytesOf(text, name) {
  const onDisk = !/^(https?|blob|data|chrome-extension):/.test(text) && typeof process !== "undefined" && process.versions?.node;
  if (onDisk) {
    const { readFile } = process.getBuiltinModule("node:fs/promises"); // not imported: bundlers for browsers stop at it
    return readFile(text.startsWith("file:") ? new URL(`${text}/${name}`) : `${text}/${name}`);
  }
  const answer = await fetch(`${text}/${name}`);
  if (!answer.ok) throw new ModelError(`${text}/${name}: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}
