/**
 * The link of live speech: samples at 16 kHz out, rows of weights in. The delay that is shown is measured: from the moment
 * a sample was spoken to the moment its row is there to be drawn.
 */

import { socketUrl } from "./api.js";
import { LOST, openMicrophone } from "./recorder.js";

/** Samples a second that the server takes. */
const RATE = 16000;
/** Columns before the weights: time, emotion, intensity, milliseconds of computing. */
const BEFORE = 4;
/** Taps of the resampler's filter on either side, in input samples at 48 kHz. */
const TAPS = 24;
const CLOSED = "The live link was closed by the server.";

/** Any rate to 16 kHz, block after block, by a windowed sinc (Smith 1984). */
class Resampler {
  /** @param {number} rate of the input */
  constructor(rate) {
    this.step = rate / RATE;
    this.half = Math.ceil((TAPS * Math.max(this.step, 1)) / 3);
    this.cut = Math.min(1, 1 / this.step) * 0.94;
    this.rest = new Float32Array(this.half);
    this.at = this.half;
  }

  /** @param {Float32Array} block @returns {Int16Array} what is complete */
  push(block) {
    const all = new Float32Array(this.rest.length + block.length);
    all.set(this.rest);
    all.set(block, this.rest.length);
    const out = [];
    while (this.at + this.half < all.length) {
      const middle = Math.floor(this.at);
      let sum = 0;
      for (let k = middle - this.half + 1; k <= middle + this.half; k++) {
        if (k < 0) continue;
        const x = k - this.at;
        const angle = Math.PI * x * this.cut;
        const sinc = Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle;
        sum += all[k] * sinc * this.cut * (0.5 + 0.5 * Math.cos((Math.PI * x) / this.half));
      }
      out.push(Math.round(Math.max(-1, Math.min(1, sum)) * 32767));
      this.at += this.step;
    }
    const used = Math.max(0, Math.floor(this.at) - this.half);
    this.rest = all.slice(used);
    this.at -= used;
    return Int16Array.from(out);
  }
}

export class LiveLink {
  /**
   * @param {{onLevel: (loud: number) => void, onClose: (error: Error) => void}} handlers `onClose`: it was open and has ended by itself
   * @returns {Promise<LiveLink>}
   */
  static async open(handlers) {
    const link = new LiveLink(handlers);
    try {
      await link.#connect();
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  /** @param {{onLevel: (loud: number) => void, onClose: (error: Error) => void}} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {any} what the server said about its rows */
    this.about = null;
    this.count = 0;
    this.delay = 0;
    this.compute = 0;
    this.emotion = 0;
    this.intensity = 0;
    this.dropped = 0;
    this.closed = false;
    this.why = "";
    this.sent = 0;
    /** @type {[number, number][]} samples sent so far, and when the last of them was spoken */
    this.marks = [];
    /** @type {Float32Array | null} the newest weights and head rotation */
    this.row = null;
    /** @type {any} */
    this.microphone = null;
    /** @type {WebSocket | null} */
    this.socket = null;
  }

  async #connect() {
    const socket = new WebSocket(socketUrl("live"));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    await new Promise((resolve, reject) => {
      socket.onopen = () => resolve(null);
      socket.onerror = () => reject(new Error("The live link cannot be opened."));
    });
    socket.onerror = null;
    // The networks are opened first; sound that comes before would only wait, and be late for ever.
    await new Promise((resolve, reject) => {
      socket.onmessage = (message) => {
        const said = JSON.parse(message.data);
        if (!said.shapes) return reject(new Error(said.error ?? "The live link cannot be opened."));
        this.about = said;
        resolve(null);
      };
      socket.onclose = () => reject(new Error(CLOSED));
    });
    socket.onmessage = (message) => this.#take(message.data);
    socket.onclose = (event) => this.#fail(event.reason || CLOSED);
    const microphone = await openMicrophone((samples) => this.#send(samples), () => this.#fail(LOST));
    if (this.closed) {
      microphone.close(); // the link has ended while the browser asked
      throw new Error(this.why);
    }
    this.microphone = microphone;
    this.resampler = new Resampler(microphone.rate);
  }

  /** @param {string} why it ends by itself */
  #fail(why) {
    if (this.closed) return;
    this.close();
    this.why = why;
    if (this.microphone) this.handlers.onClose(new Error(why));
  }

  /** @param {Float32Array} samples */
  #send(samples) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.handlers.onLevel(Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
    const block = this.resampler.push(samples);
    if (!block.length) return;
    this.socket.send(block);
    this.sent += block.length;
    this.marks.push([this.sent / RATE, performance.now() - 1000 * (this.microphone.latency + this.resampler.half / this.microphone.rate)]);
    if (this.marks.length > 500) this.marks.shift();
  }

  /** @param {string | ArrayBuffer} data */
  #take(data) {
    if (typeof data === "string") {
      const said = JSON.parse(data);
      if (said.error) this.#fail(said.error);
      else if (said.type === "dropped") this.dropped += said.rows;
      return;
    }
    const columns = BEFORE + this.about.shapes.length + 3;
    const all = new Float32Array(data);
    for (let at = 0; at + columns <= all.length; at += columns) {
      const [time, emotion, intensity, compute] = all.subarray(at, at + BEFORE);
      this.row = all.slice(at + BEFORE, at + columns);
      this.count += 1;
      this.emotion = emotion;
      this.intensity = intensity;
      this.compute = this.compute ? 0.9 * this.compute + 0.1 * compute : compute;
      const spoken = this.#spokenAt(time);
      if (spoken === null) continue;
      const late = performance.now() - spoken;
      this.delay = this.count < 5 ? late : 0.9 * this.delay + 0.1 * late;
    }
  }

  /** @param {number} time seconds since the first sample @returns {number | null} when it was spoken */
  #spokenAt(time) {
    for (let i = this.marks.length - 1; i >= 0; i--) {
      const [seconds, at] = this.marks[i];
      if (seconds <= time || i === 0) return at + 1000 * (time - seconds);
    }
    return null;
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.microphone?.close();
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send("stop");
      this.socket.close();
    }
  }
}
