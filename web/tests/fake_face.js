/** Stands in for `src/sedtalker.js` where tests are about what is around it: the jaw opens with the loudness, moods follow each other. */

const RATE = 16000;
const NAMES = "eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight jawForward jawRight jawLeft jawOpen mouthClose mouthFunnel mouthPucker mouthRight mouthLeft mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut".split(" ");
const TONGUE = ["tongueTipInterdental", "tongueTipAlveolar", "tongueBackDorsalVelar"];
const LABELS = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"];
/** Seconds of a mood. */
const MOOD = 2;

/** @param {number} time @returns {string} */
const moodAt = (time) => LABELS[Math.floor(time / MOOD) % LABELS.length];

/** @param {Float32Array} samples of a frame @param {number} time */
function frame(samples, time) {
  const loud = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / Math.max(samples.length, 1));
  const weights = new Float32Array(NAMES.length);
  const jaw = Math.min(1, 5 * loud);
  weights[NAMES.indexOf("jawOpen")] = jaw;
  for (const side of ["Left", "Right"]) {
    weights[NAMES.indexOf(`mouthSmile${side}`)] = moodAt(time) === "happy" ? 0.6 : 0;
    weights[NAMES.indexOf(`browDown${side}`)] = moodAt(time) === "angry" ? 0.8 : 0;
    weights[NAMES.indexOf(`eyeBlink${side}`)] = time % 3 > 2.9 ? 1 : 0;
  }
  const head = Float32Array.of(0.02 * Math.sin(time), 0.06 * Math.sin(0.7 * time), 0);
  return { time, weights, tongue: Float32Array.of(0, jaw / 2, 0), head, emotion: moodAt(time), intensity: 0.3 + jaw / 2 };
}

export class SEDTalker {
  /** @param {string} base @param {any} options */
  static async load(base, { read }) {
    const described = JSON.parse(new TextDecoder().decode(await read("model.json")));
    if (described.format !== "sedtalker-models") throw new Error("model.json is not one of SEDTalker's models.");
    return new SEDTalker();
  }

  /** @param {Float32Array} samples @param {any} options */
  async animate(samples, { fps = 30, onprogress = () => {}, emotion } = {}) {
    if (samples.length < 0.1 * RATE) throw new Error("This sound is shorter than 0.1 s: there is no syllable in it.");
    const size = RATE / fps;
    const count = Math.max(1, Math.ceil(samples.length / size - 1e-6));
    const frames = Array.from({ length: count }, (_, i) => frame(samples.subarray(Math.round(i * size), Math.round((i + 1) * size)), i / fps));
    onprogress(1);
    const joined = (/** @type {"weights" | "tongue" | "head"} */ part) => Float32Array.from(frames.flatMap((each) => [...each[part]]));
    const seconds = samples.length / RATE;
    const rows = Math.ceil(seconds * 50);
    const posterior = new Float32Array(7 * rows).fill(0.02);
    for (let i = 0; i < rows; i++) posterior[7 * i + LABELS.indexOf(moodAt(i / 50))] = 0.88;
    const intensity = Float32Array.from({ length: rows }, (_, i) => frames[Math.min(Math.floor((i / 50) * fps), count - 1)].intensity);
    const segments = Array.from({ length: Math.ceil(seconds / MOOD) }, (_, i) => ({
      start: i * MOOD, end: Math.min((i + 1) * MOOD, seconds), label: moodAt(i * MOOD), confidence: 0.9, intensity: 0.5,
    }));
    const track = { labels: LABELS, rate: 50, posterior, intensity, recognised: { posterior, intensity }, segments, bursts: [], ...emotion };
    return { fps, names: NAMES, weights: joined("weights"), tongueNames: TONGUE, tongue: joined("tongue"), head: joined("head"), track };
  }

  /** @param {any} options */
  stream({ fps = 30 } = {}) {
    let [waiting, made] = [new Float32Array(0), 0];
    const size = Math.round(RATE / fps);
    const push = async (/** @type {Float32Array} */ samples) => {
      const all = Float32Array.from([...waiting, ...samples]);
      const frames = [];
      let at = 0;
      for (; at + size <= all.length; at += size) frames.push(frame(all.subarray(at, at + size), made++ / fps));
      waiting = all.slice(at);
      return frames;
    };
    return { push, flush: async () => [] };
  }
}
