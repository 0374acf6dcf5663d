/** The microphone: blocks of samples as they come, and a recording as a WAV file. */

/** What is said when the microphone is unplugged, or no longer allowed. */
export const LOST = "The microphone has gone: it was unplugged, or the browser no longer allows it.";
/** Milliseconds after which sound that does not start is given up: without any sound output, Firefox waits for ever. */
const PATIENCE = 5000;

/**
 * Open the microphone.
 * @param {(samples: Float32Array) => void} take called with mono samples at the context's rate
 * @param {() => void} lost called when it is unplugged, or no longer allowed
 * @returns {Promise<{rate: number, latency: number, close: () => void}>}
 */
export async function openMicrophone(take, lost) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("This browser gives no access to a microphone here.");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError") throw new Error("The microphone was not allowed. The browser's address bar can allow it.");
    if (["NotFoundError", "OverconstrainedError"].includes(name)) throw new Error("There is no microphone."); // the second is WebKit's
    throw new Error("The microphone cannot be opened.");
  }
  const context = new AudioContext({ latencyHint: "interactive" });
  try {
    await context.audioWorklet.addModule("static/js/worklets/capture.js");
  } catch (error) {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
    throw new Error("The microphone's samples cannot be read in this browser.");
  }
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  node.port.onmessage = (event) => take(event.data);
  for (const track of stream.getTracks()) track.onended = lost;
  const close = () => {
    node.port.onmessage = null;
    source.disconnect();
    for (const track of stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    context.close();
  };
  const late = new Promise((done) => setTimeout(done, PATIENCE, "late"));
  if ((await Promise.race([context.resume(), late])) === "late") {
    close();
    throw new Error("The browser's sound does not start: it may need headphones or another sound output.");
  }
  source.connect(node); // last: whoever gets the samples knows their rate
  return { rate: context.sampleRate, latency: context.baseLatency || 0, close };
}

/** @param {Float32Array[]} blocks mono @param {number} rate @returns {Blob} PCM of 16 bits */
function toWav(blocks, rate) {
  const count = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (/** @type {number} */ at, /** @type {string} */ s) => [...s].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const block of blocks) {
    for (const x of block) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, x)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

/** Shortest recording that is worth analysing, seconds. */
const SHORTEST = 0.3;

export class Recorder {
  /** @param {(seconds: number, loud: number) => void} heard called with the length and the loudness so far @param {() => void} lost see `openMicrophone` @returns {Promise<Recorder>} */
  static async start(heard, lost) {
    const recorder = new Recorder();
    recorder.microphone = await openMicrophone((samples) => {
      recorder.blocks.push(samples);
      recorder.count += samples.length;
      const loud = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
      heard(recorder.count / recorder.microphone.rate, loud);
    }, lost);
    return recorder;
  }

  constructor() {
    /** @type {Float32Array[]} */
    this.blocks = [];
    this.count = 0;
    /** @type {any} */
    this.microphone = null;
  }

  /** @returns {File} the recording @throws {Error} it is too short to be one */
  stop() {
    this.microphone.close();
    if (this.count < SHORTEST * this.microphone.rate) throw new Error("That recording is too short: at least a third of a second is needed.");
    const at = new Date().toISOString().slice(0, 19).replaceAll(":", "-").replace("T", " ");
    return new File([toWav(this.blocks, this.microphone.rate)], `recording ${at}.wav`, { type: "audio/wav" });
  }
}
