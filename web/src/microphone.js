/** Sound into the face: the microphone as an async iterable of blocks, and a sound file as samples. */

import { joined } from "./rows.js";
import { soundRate } from "./sound_rate.js";
import { mixed, readWav, resampled } from "./wav.js";

export { joined };

/** Samples a second that the face takes, and in a block of 20 ms. */
export const RATE = 16000;
const BEAT = RATE / 50;

/** What went wrong with a microphone, for people. */
const REFUSALS = /** @type {Record<string, string>} */ ({
  NotAllowedError: "The microphone was not allowed. You can allow it beside the page's address and try again.",
  NotFoundError: "No microphone was found on this device.",
  OverconstrainedError: "No microphone was found on this device.", // as WebKit says it
  NotReadableError: "The microphone is in use by another program, or switched off.",
});

/** Milliseconds after which sound that does not start is given up: without any sound output, Firefox waits for ever. */
const PATIENCE = 5000;
const NO_OUTPUT = "The browser's sound does not start: it may need headphones or another sound output.";

/** The microphone, mono, 16 kHz: `for await (const samples of microphone)`, until `close()`. */
export class Microphone {
  /** @type {Float32Array[]} */
  #waiting = [];
  /** @type {(() => void) | null} */
  #wake = null;
  #open = true;
  /** @type {MediaStream | null} */
  stream = null;
  /** @type {AudioContext | null} */
  context = null;

  /**
   * Ask for the microphone.
   * @param {{beats?: number}} [options] `beats`: blocks of 20 ms that come at once
   * @returns {Promise<Microphone>}
   */
  static async open({ beats = 2 } = {}) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("A microphone is given to pages of https:// and localhost only.");
    const microphone = new Microphone();
    try {
      // The browser's own filters stay off: they take away what tells an emotion.
      const wanted = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      microphone.stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    } catch (error) {
      throw new Error(REFUSALS[/** @type {any} */ (error)?.name] ?? "The microphone cannot be opened.", { cause: error });
    }
    try {
      await microphone.#listen(beats);
    } catch (error) {
      microphone.close();
      throw new Error(error === NO_OUTPUT ? NO_OUTPUT : "This browser cannot read the microphone's samples.", { cause: error });
    }
    return microphone;
  }

  /** @param {number} beats */
  async #listen(beats) {
    this.context = new AudioContext({ latencyHint: "interactive" });
    await this.context.audioWorklet.addModule(new URL("./microphone_worklet.js", import.meta.url));
    const options = { numberOfOutputs: 0, processorOptions: { rate: RATE, block: BEAT * beats } };
    this.node = new AudioWorkletNode(this.context, "sedtalker-microphone", options);
    this.node.port.onmessage = ({ data }) => {
      this.#waiting.push(data);
      this.#wake?.();
    };
    this.context.createMediaStreamSource(/** @type {MediaStream} */ (this.stream)).connect(this.node);
    for (const track of this.stream?.getTracks() ?? []) track.onended = () => this.close();
    await Promise.race([this.context.resume(), new Promise((_, refuse) => setTimeout(refuse, PATIENCE, NO_OUTPUT))]);
  }

  /** No more blocks come; those that are there still do. */
  close() {
    if (!this.#open) return;
    this.#open = false;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
    this.#wake?.();
  }

  /**
   * @returns {AsyncGenerator<Float32Array>} what has come since the last one was taken, so that a slow computer catches up;
   *   a loop that is left closes the microphone
   */
  async *[Symbol.asyncIterator]() {
    try {
      while (this.#open || this.#waiting.length) {
        if (this.#waiting.length) yield joined(this.#waiting.splice(0));
        else await new Promise((resolve) => (this.#wake = /** @type {() => void} */ (resolve)));
      }
    } finally {
      this.close();
    }
  }
}

/**
 * The samples of a sound file, mono, 16 kHz; all but WAV is decoded by the browser.
 * @param {Blob} file @returns {Promise<Float32Array>}
 */
export async function decodeSound(file) {
  const bytes = await file.arrayBuffer().catch((cause) => {
    throw new Error("This cannot be read: a folder, or a file that has gone. Drop one sound file.", { cause });
  });
  const wav = readWav(bytes);
  if (wav) return resampled(wav.samples, wav.rate, RATE);
  const rate = soundRate(bytes);
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch (error) {
    throw new Error("This file is no sound that this browser can read. WAV, MP3, FLAC, M4A and OGG are usual.", { cause: error });
  }
  return resampled(mixed(Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel))), rate, RATE);
}

/**
 * The length of a sound file by its head, without decoding it.
 * @param {Blob} file @returns {Promise<number>} seconds; NaN: it does not say
 */
export function soundLength(file) {
  const url = URL.createObjectURL(file);
  const sound = new Audio();
  return new Promise((resolve) => {
    const done = (/** @type {number} */ seconds) => {
      sound.onloadedmetadata = sound.onerror = null;
      sound.removeAttribute("src");
      sound.load();
      URL.revokeObjectURL(url);
      resolve(Number.isFinite(seconds) ? seconds : NaN);
    };
    sound.preload = "metadata";
    sound.onloadedmetadata = () => done(sound.duration);
    sound.onerror = () => done(NaN);
    setTimeout(() => done(NaN), 5000);
    sound.src = url;
  });
}
