/** The tab of the recording: the sound, words and track that belong to it, and the microphone. */

import { chooseFile, enable, make, timecode } from "../dom.js";
import { endings } from "../kinds.js";
import { complain } from "../notices.js";
import { LOST, Recorder } from "../recorder.js";
import { sendFile, startJob } from "../session.js";
import { store } from "../store.js";
import { block, source } from "./dock.js";
import { speakersBlock } from "./speakers.js";

const RECORD = "Record from the microphone";
const AUDIO = "audio/*,video/mp4,video/webm,.wav,.flac,.ogg,.opus,.mp3,.m4a,.mp4,.webm";

/** @param {string} text @param {() => string} accept @param {string} kind */
const chooser = (text, accept, kind) => make("button", { class: "grow", text, onclick: () => chooseFile(accept(), (file) => sendFile(file, kind)) });

/** @returns {HTMLElement} the recorder: a button, a level and the time */
function recorder() {
  const level = make("i");
  const meter = make("div", { class: "level", hidden: true }, level);
  const time = make("time", { text: "" });
  const button = make("button", { class: "grow", text: RECORD });
  /** @type {Recorder | null} */
  let running = null;
  const stop = async () => {
    const done = running;
    running = null;
    button.textContent = RECORD;
    button.classList.remove("recording");
    meter.hidden = true;
    time.textContent = "";
    await sendFile(done.stop(), "audio");
  };
  button.addEventListener("click", async () => {
    try {
      if (running) return await stop();
      enable(button, false); // while the browser asks
      running = await Recorder.start((seconds, loud) => {
        level.style.setProperty("--level", String(Math.min(1, loud * 3)));
        time.textContent = timecode(seconds, 0);
      }, () => {
        complain(new Error(LOST));
        stop().catch(complain);
      });
      button.textContent = "Stop and analyse";
      button.classList.add("recording");
      meter.hidden = false;
    } catch (error) {
      running = null;
      complain(error);
    } finally {
      enable(button, true);
    }
  });
  return make("div", { class: "block" }, make("div", { class: "row" }, button), make("div", { class: "record" }, meter, time));
}

/** @param {HTMLElement} panel */
export function buildMedia(panel) {
  const sound = make("div", { class: "block" });
  const words = make("p", { class: "note" });
  const text = /** @type {HTMLTextAreaElement} */ (make("textarea", { rows: 4, "aria-label": "What is said", hidden: true }));
  const find = make("button", { class: "grow", text: "Recognise the words", onclick: () => startJob("words/recognised", "words") });
  const correct = make("button", { class: "grow", text: "Correct the words", hidden: true, onclick: () => startJob("words/text", "words", { text: text.value }) });
  const track = make("p", { class: "note" });
  panel.append(
    block("Recording", sound, make("div", { class: "row" }, chooser("Choose a file", () => AUDIO, "audio")), recorder()),
    speakersBlock(),
    block("Emotion track", track, make("div", { class: "row" }, chooser("Load a track", () => endings("track").join(","), "track"))),
    block("Words", words, text, make("div", { class: "row" }, chooser("Load words", () => endings("words").join(","), "words"), find, correct)),
  );
  store.on("state document", () => {
    const audio = store.state?.audio;
    sound.replaceChildren(audio ? source(audio.name, `${timecode(store.duration, 1)}, ${(audio.rate / 1000).toFixed(1)} kHz`) : make("p", { class: "note", text: "Speech in any common format, or the sound of a video. Nothing leaves this computer." }));
    for (const note of audio?.notes ?? []) sound.append(make("p", { class: "note", text: note }));
    track.textContent = !audio ? "Predicted from the recording, or one that you have." : store.document?.edited ? "Predicted, with your edits." : `${store.segments.length} ${store.segments.length === 1 ? "segment" : "segments"}, predicted or loaded.`;
    const count = store.state?.words?.length ?? 0;
    words.textContent = count ? `${count} ${count === 1 ? "word" : "words"}. ${store.state.words_note ?? "The lips follow them; what is wrong can be corrected here."}` : "Words with times, from WebVTT, SRT, TextGrid, CTM or Whisper's JSON, or recognised in the recording. They are shown, edges snap to them, and the lips follow.";
    const said = (store.state?.words ?? []).map((/** @type {any} */ word) => word.text).join(" ");
    if (text.dataset.said !== said) text.value = text.dataset.said = said;
    text.hidden = correct.hidden = !count;
  });
}
