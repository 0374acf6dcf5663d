/** The page: sound in, the face talks, the track below, files out. */

import { WorkerFace } from "./src/client.js";
import { arkitCsv } from "./src/csv.js";
import { checkBrowser, fetchBytes } from "./src/files.js";
import { duration, frameAt } from "./src/frames.js";
import { animatedGlb } from "./src/glb.js";
import { decodeSound, RATE, soundLength } from "./src/microphone.js";
import { toWav } from "./src/wav.js";
import { Speaking } from "./speaking.js";
import { Stage } from "./stage.js";
import { colourOf, timeText, TrackView } from "./track.js";

/** Longest recording, seconds, and largest file, bytes. */
const LONGEST = 600;
const LARGEST = 200e6;
const TOO_LONG = `The page takes at most ${LONGEST / 60} minutes: it keeps the whole sound and all of its motion in memory. Cut it, or use the command sedtalker animate.`;

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const [play, problem, working] = [byId("play"), byId("problem"), byId("working")];
const announce = (/** @type {string} */ sentence) => (byId("status").textContent = sentence);

/** What the page shows; tests read it. */
const page = {
  /** @type {Stage | null} */
  stage: null,
  /** @type {any} of `SEDTalker.animate` */
  animation: null,
  /** @type {Speaking | null} */
  speaking: null,
  /** @type {any} frame on the stage */
  frame: null,
  name: "speech",
  /** whether its emotion is given, not recognised */
  given: false,
  /** @type {WorkerFace | null} the models, when they are loaded */
  ready: null,
  /** when the face was shown */
  faced: 0,
  loaded: 0,
};
Object.assign(window, { page });

const sound = new Audio();
const track = new TrackView({ lane: byId("lane"), curve: byId("curve"), playhead: byId("playhead"), seek: byId("seek"), segments: byId("segments") }, seek);
/** @type {ArrayBuffer | null} */
let head = null;
/** @type {any} head.json: the light and the targets of the head, and how many bytes the models are */
let described = null;
/** @type {Promise<any> | null} */
let models = null;
/** Counts what was asked for: only the latest is shown. */
let asked = 0;
/** What the page says while somebody waits for the models. */
const NO_SPEECH = "No speech was found in this sound: the face stays neutral.";
const LOADING = "Loading the models";

/** @param {unknown} error a sentence for people */
function complain(error) {
  problem.textContent = error instanceof Error ? error.message : String(error);
  busy("");
  announce(""); // what was under way is over
}

/** @param {string} text what is under way; empty: nothing @param {number} [share] how much of it is done */
function busy(text, share = 0) {
  working.hidden = !text;
  if (text && byId("working-text").textContent !== text) announce(text);
  byId("working-text").textContent = text;
  byId("working-bar").value = share;
}

/** The models, loaded once; asked for again after a failure. @returns {Promise<any>} */
function loadModels() {
  const onprogress = ({ bytes = 0 }) => {
    page.loaded = bytes;
    if (byId("working-text").textContent === LOADING) busy(LOADING, bytes / (described?.bytes ?? Infinity));
  };
  const places = { ort: "ort/ort.wasm.bundle.min.mjs", wasm: "ort/ort-wasm-simd-threaded.wasm.gz", suffix: ".gz", onprogress };
  models ??= WorkerFace.load("models/", places).then(
    (face) => (page.ready = face),
    (error) => {
      models = null;
      throw error;
    },
  );
  return models;
}

/** The models, in another worker where theirs has failed; the page says that they load. @param {number} mine @returns {Promise<any>} */
function modelsFor(mine) {
  if (page.ready?.over) models = page.ready = null;
  if (!page.ready && mine === asked) busy(LOADING);
  return loadModels();
}

// --- A recording: from a file, the sample or the microphone.

/** @param {Blob} file @param {string} name @param {any} [emotion] given in place of the recognised one */
async function open(file, name, emotion) {
  const mine = ++asked;
  quiet();
  problem.textContent = "";
  try {
    busy("Reading the sound");
    if (file.size === 0) throw new Error("This file is empty.");
    if (file.size > LARGEST) throw new Error(`This file is larger than ${LARGEST / 1e6} MB. ${TOO_LONG}`);
    if ((await soundLength(file)) > LONGEST) throw new Error(`This sound is too long. ${TOO_LONG}`);
    const samples = await decodeSound(file);
    if (samples.length > LONGEST * RATE) throw new Error(`This sound is too long. ${TOO_LONG}`);
    const animation = await animate(samples, mine, emotion);
    if (mine !== asked) return;
    show(animation, file, name, Boolean(emotion));
    await start();
  } catch (error) {
    if (mine === asked) complain(error);
  }
}

/** @param {Float32Array} samples @param {number} mine @param {any} [emotion] */
async function animate(samples, mine, emotion) {
  const face = await modelsFor(mine);
  const onprogress = (/** @type {number} */ share) => mine === asked && busy("Finding the motion of the face", share);
  onprogress(0);
  return face.animate(samples, { fps: 30, idle: true, seed: 0, onprogress, emotion });
}

/** @param {any} animation @param {Blob} file @param {string} name @param {boolean} [given] */
function show(animation, file, name, given = false) {
  Object.assign(page, { animation, given });
  page.name = name.replace(/\.[^.]*$/, "") || "speech";
  if (sound.src) URL.revokeObjectURL(sound.src);
  sound.src = URL.createObjectURL(file);
  busy("");
  const length = duration(animation);
  showTrack();
  byId("sample").hidden = true;
  play.hidden = false;
  const { segments } = animation.track;
  const labels = [...new Set(segments.map((/** @type {any} */ segment) => segment.label))];
  const bursts = animation.track.bursts.map((/** @type {any} */ burst) => burst.kind);
  const spoken = `${segments.length} ${segments.length === 1 ? "segment" : "segments"}: ${labels.join(", ")}`;
  const beside = bursts.length ? `; sounds of the voice: ${bursts.join(", ")}` : "";
  if (!segments.length) problem.textContent = NO_SPEECH;
  const seconds = Math.round(length);
  announce(`Ready: ${seconds} ${seconds === 1 ? "second" : "seconds"}, ${segments.length ? spoken : "no speech"}${beside}.`);
  seek(0);
  play.focus({ preventScroll: true });
}

/** The track of the recording that is there, and what can be taken of it. */
function showTrack() {
  const { animation, given } = page;
  track.show(animation?.track ?? null, animation ? duration(animation) : 0);
  for (const id of ["track", "take", "clock"]) byId(id).hidden = !animation;
  byId("given").hidden = !given;
}

/** Stop whatever sounds. */
function quiet() {
  sound.pause();
  page.speaking?.stop();
}

// --- Playing.

async function start() {
  try {
    if (sound.ended) sound.currentTime = 0;
    await sound.play();
  } catch (error) {
    // A browser that wants a click first: the button says Play.
    if (/** @type {any} */ (error)?.name !== "NotAllowedError" && /** @type {any} */ (error)?.name !== "AbortError") complain("This sound cannot be played.");
  }
}

/** @param {number} time seconds */
function seek(time) {
  sound.currentTime = time;
  clock.jump(time);
}

const shows = () => {
  play.textContent = sound.paused ? "Play" : "Pause";
};
for (const event of ["play", "pause", "ended"]) sound.addEventListener(event, shows);
play.onclick = () => (sound.paused ? start() : sound.pause());

/** The sound's time, smooth between the steps in which browsers give it. */
const clock = {
  time: 0,
  at: 0,
  jump(/** @type {number} */ time) {
    this.time = time;
    this.at = performance.now();
  },
  now() {
    const at = performance.now();
    const heard = sound.currentTime;
    if (sound.paused) this.time = heard;
    else {
      const ahead = this.time + ((at - this.at) / 1000) * sound.playbackRate;
      this.time = Math.abs(ahead - heard) > 0.12 ? heard : ahead + 0.1 * (heard - ahead);
    }
    this.at = at;
    return this.time;
  },
};

function tick() {
  requestAnimationFrame(tick);
  const { speaking, animation, stage } = page;
  if (speaking) {
    const frame = speaking.queue.take(performance.now() / 1000);
    if (frame) {
      display(frame);
      track.show(speaking.track, frame.time, true);
      track.moveTo(frame.time);
      byId("clock").textContent = timeText(speaking.seconds, 1);
    }
  } else if (animation) {
    const [time, length] = [clock.now(), duration(animation)];
    if (page.frame?.time !== time) display(frameAt(animation, time));
    track.moveTo(time);
    byId("clock").textContent = `${timeText(time, 1)} of ${timeText(length, 1)}`;
  }
  stage?.draw(Boolean(speaking) || !sound.paused);
}

/** @param {any} frame */
function display(frame) {
  page.frame = frame;
  page.stage?.pose(frame);
  const now = byId("now");
  now.hidden = !frame.emotion;
  if (now.hidden) return;
  if (now.dataset.label !== frame.emotion) {
    now.dataset.label = frame.emotion;
    now.querySelector("b").textContent = frame.emotion;
    now.querySelector(".swatch").style.background = now.querySelector(".meter i").style.background = colourOf(frame.emotion);
  }
  now.querySelector(".meter i").style.transform = `scaleX(${Math.min(Math.max(frame.intensity, 0), 1).toFixed(3)})`;
}

// --- The microphone.

async function speak() {
  if (page.speaking) {
    page.speaking.stop();
    return;
  }
  const button = byId("speak");
  if (button.getAttribute("aria-disabled") === "true") return;
  const mine = ++asked;
  quiet();
  problem.textContent = "";
  button.setAttribute("aria-disabled", "true"); // and not disabled, which takes the focus away: the same key stops it
  /** @type {Speaking | null} */
  let speaking = null;
  try {
    speaking = new Speaking(await modelsFor(mine), LONGEST);
    if (mine === asked) busy("");
    await speaking.open();
    if (mine !== asked) return speaking.stop();
    page.speaking = speaking;
    pressed(button, true);
    byId("track").hidden = byId("clock").hidden = false;
    byId("take").hidden = byId("given").hidden = true;
    announce("The microphone is on. Speak; press the button again to stop.");
    const samples = await speaking.run();
    page.speaking = null;
    pressed(button, false);
    if (mine !== asked) return undefined;
    if (samples.length < RATE / 2) throw new Error("That was too short: speak for half a second or longer.");
    const animation = await animate(samples, mine);
    if (mine === asked) show(animation, toWav(samples, RATE), "recording");
  } catch (error) {
    if (mine === asked) complain(error);
  } finally {
    speaking?.stop();
    // Another session may have begun while this one's recording was animated.
    if (!page.speaking || page.speaking === speaking) {
      page.speaking = null;
      pressed(button, false);
      if (track.live) showTrack(); // nothing came of it: the recording before it is there again
    }
  }
  return undefined;
}

/** @param {HTMLButtonElement} button @param {boolean} on */
function pressed(button, on) {
  button.removeAttribute("aria-disabled");
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? "Stop the microphone" : "Use the microphone";
}

// --- What people press, drop and take.

/** @param {BlobPart} content @param {string} name @param {string} type */
function download(content, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  announce(`${name} is made.`);
}

byId("sample").onclick = async () => {
  const mine = ++asked;
  problem.textContent = "";
  busy("Loading the sample");
  try {
    const [wav, json] = await Promise.all(["sample.wav.gz", "sample.json"].map((name) => fetchBytes(new URL(name, location.href))));
    if (mine === asked) await open(new Blob([wav], { type: "audio/wav" }), "sample.wav", JSON.parse(new TextDecoder().decode(json)));
  } catch (error) {
    if (mine === asked) complain(error);
  }
};
byId("open").onclick = () => byId("file").click();
byId("file").onchange = () => {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (file) open(file, file.name);
};
byId("speak").onclick = speak;
byId("glb").onclick = () => {
  if (head) download(animatedGlb(head, page.animation, { generator: "SEDTalker in the browser" }), `${page.name}.glb`, "model/gltf-binary");
};
byId("csv").onclick = () => download(arkitCsv(page.animation), `${page.name}.csv`, "text/csv");

addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey || target.closest("button, a, input:not([type=range])") || play.hidden) return;
  event.preventDefault();
  play.click();
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) byId("drop").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").hidden = true;
  const [file, ...others] = event.dataTransfer?.files ?? [];
  if (others.length) problem.textContent = "The page takes one file at a time: drop the one that you want.";
  else if (file) open(file, file.name);
});

// --- The page begins: the face first, then the models behind it.

async function begin() {
  requestAnimationFrame(tick);
  try {
    checkBrowser();
  } catch (error) {
    complain(error);
    for (const button of byId("controls").querySelectorAll("button")) button.disabled = true;
    return;
  }
  try {
    described = JSON.parse(new TextDecoder().decode(await fetchBytes(new URL("head.json", location.href))));
    head = await fetchBytes(new URL("head.glb.gz", location.href));
    const stage = new Stage(byId("stage"), byId("picture"), described);
    await stage.show(head);
    page.stage = stage;
    page.faced = performance.now();
  } catch (error) {
    complain(error);
  }
  // Who saves data loads the models with the first press of a button.
  if (!(/** @type {any} */ (navigator).connection?.saveData)) loadModels().catch(() => {});
}

begin();
