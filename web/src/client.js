/** The face of `sedtalker.js`, computed in a Web Worker: the same interface in the page's thread. */

import { checkedSound } from "./features.js";

/** @typedef {import("./frames.js").Frame} Frame */
/** @typedef {import("./animation_stream.js").StreamOptions} StreamOptions */

/** Sends messages to the worker and finds the answers. */
class Calls {
  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    this.count = 0;
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void, progress?: (value: any) => void}>} */
    this.open = new Map();
    /** why nothing is answered any more; empty: it is */
    this.over = "";
    worker.onmessage = ({ data }) => this.#answer(data);
    worker.onerror = (event) => this.fail(event.message || "The part of the page that computes the face did not start.");
  }

  /** @param {any} data */
  #answer(data) {
    const call = this.open.get(data.id);
    if (!call) return;
    if ("progress" in data) {
      call.progress?.(data.progress);
      return;
    }
    this.open.delete(data.id);
    if ("error" in data) call.reject(new Error(data.error));
    else call.resolve(data.value);
  }

  /** The worker ends: nothing that was asked or will be is answered. @param {string} sentence why */
  fail(sentence) {
    this.over = sentence;
    this.worker.terminate();
    for (const call of this.open.values()) call.reject(new Error(sentence));
    this.open.clear();
  }

  /**
   * @param {string} act @param {Record<string, unknown>} message
   * @param {{transfer?: Transferable[], progress?: (value: any) => void}} [options]
   * @returns {Promise<any>}
   */
  send(act, message, { transfer = [], progress } = {}) {
    if (this.over) return Promise.reject(new Error(this.over));
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.open.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, act, ...message }, transfer);
    });
  }
}

/** A stream in the worker: blocks of samples in, frames out. */
class WorkerStream {
  /** @param {Calls} calls @param {number} number @param {StreamOptions} options */
  constructor(calls, number, options) {
    this.calls = calls;
    this.number = number;
    this.opened = calls.send("open", { stream: number, options });
    this.opened.catch(() => {}); // whoever pushes gets it
  }

  /** @param {Float32Array} samples mono, 16 kHz @returns {Promise<Frame[]>} the frames that they complete */
  async push(samples) {
    const own = new Float32Array(checkedSound(samples)); // at once, see `AnimationStream.push`
    await this.opened;
    return this.calls.send("push", { stream: this.number, samples: own }, { transfer: [own.buffer] });
  }

  /** @returns {Promise<Frame[]>} the rest; the stream is over */
  async flush() {
    await this.opened;
    return this.calls.send("flush", { stream: this.number });
  }

  /** Forget it. */
  async close() {
    await this.opened;
    await this.calls.send("close", { stream: this.number });
  }
}

/** The face, see `SEDTalker` of `sedtalker.js`. */
export class WorkerFace {
  /** @param {Calls} calls */
  constructor(calls) {
    this.calls = calls;
    this.streams = 0;
  }

  /**
   * Start the worker and load the models. Without a bundler, `ort` and `wasm` say where onnxruntime-web lies.
   * @param {URL | string} base folder of the models
   * @param {object} [options]
   * @param {URL | string} [options.ort] the module of onnxruntime-web
   * @param {URL | string} [options.wasm] its WebAssembly, gzipped or not
   * @param {string} [options.suffix] of the models' files, `.gz` where they are gzipped
   * @param {(progress: {bytes: number}) => void} [options.onprogress] bytes that have come
   * @returns {Promise<WorkerFace>}
   */
  static async load(base, { ort, wasm, suffix = "", onprogress } = {}) {
    const whole = (/** @type {any} */ url) => url && new URL(url, document.baseURI).href;
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    const calls = new Calls(worker);
    const where = { base: whole(`${base}`.replace(/\/?$/, "/")), ort: whole(ort), wasm: whole(wasm), suffix };
    try {
      await calls.send("load", { where }, { progress: onprogress });
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return new WorkerFace(calls);
  }

  /**
   * A whole recording.
   * @param {Float32Array} samples mono, 16 kHz
   * @param {Parameters<import("./sedtalker.js").SEDTalker["animate"]>[1]} [options] see `SEDTalker.animate`
   * @returns {Promise<import("./sedtalker.js").Animation>}
   */
  async animate(samples, { onprogress, ...options } = {}) {
    const own = new Float32Array(checkedSound(samples));
    return this.calls.send("animate", { samples: own, options }, { transfer: [own.buffer], progress: onprogress });
  }

  /** @param {StreamOptions} [options] @returns {WorkerStream} */
  stream(options = {}) {
    return new WorkerStream(this.calls, ++this.streams, options);
  }

  /**
   * Frames of sound as it comes, as of a `Microphone`.
   * @param {AsyncIterable<Float32Array> | Iterable<Float32Array>} blocks @param {StreamOptions} [options]
   * @returns {AsyncGenerator<Frame>}
   */
  async *listen(blocks, options = {}) {
    const stream = this.stream(options);
    try {
      for await (const samples of blocks) yield* await stream.push(samples);
      yield* await stream.flush();
    } finally {
      stream.close().catch(() => {}); // not waited for: a worker that has failed does not answer
    }
  }

  /** Why the worker has ended; empty: it has not. */
  get over() {
    return this.calls.over;
  }

  /** End the worker. */
  close() {
    this.calls.fail("The face was closed.");
  }
}
