/** The tab of live speech: microphone in, the head moves, and how late it is. */

import { capital, enable, make } from "../dom.js";
import { announce, complain } from "../notices.js";
import { LiveLink } from "../live_link.js";
import { store } from "../store.js";
import { block } from "./dock.js";

/** @type {LiveLink | null} */
let link = null;

/** @returns {{delay_ms: number, rows: number} | null} for measurements */
export const liveNow = () => (link ? { delay_ms: link.delay, rows: link.count } : null);

/** @returns {{label: string, intensity: number, uncertain?: boolean} | null} what is expressed live; null: nothing comes */
export const liveEmotion = () => (link?.count ? { label: store.labels[link.emotion] ?? "", intensity: link.intensity } : null);

/** @param {HTMLElement} panel */
export function buildLive(panel) {
  const button = make("button", { class: "primary wide", text: "Start" });
  const delay = make("b", { text: "–" });
  const level = make("i");
  const emotion = make("p", { class: "note", text: "" });
  const details = make("p", { class: "note", text: "" });
  panel.append(
    block("Live from the microphone",
      make("p", { class: "note", text: "What you say moves the head while you speak. Nothing is kept, nothing leaves this computer." }),
      button,
      make("div", { class: "level", "aria-hidden": "true" }, level)),
    block("From sound to picture", make("div", { class: "live-delay" }, delay, make("span", { class: "note", text: "ms" })), emotion, details),
  );
  const stop = () => {
    link?.close();
    link = null;
    button.textContent = "Start";
    button.classList.replace("recording", "primary");
    level.style.setProperty("--level", "0");
    emotion.textContent = "";
    store.changed("live");
  };
  button.addEventListener("click", async () => {
    if (link) return stop();
    enable(button, false);
    button.textContent = "Opening the networks…";
    try {
      link = await LiveLink.open({ onLevel: (loud) => level.style.setProperty("--level", String(Math.min(1, loud * 3))), onClose: (error) => {
        stop();
        complain(error);
      } });
      button.textContent = "Stop";
      button.classList.replace("primary", "recording");
      announce("Live");
      store.changed("live");
    } catch (error) {
      button.textContent = "Start";
      complain(error);
    } finally {
      enable(button, true);
    }
  });
  setInterval(() => {
    if (!link) return;
    delay.textContent = link.count ? String(Math.round(link.delay)) : "–";
    if (link.count) emotion.textContent = `${capital(store.labels[link.emotion] ?? "")} ${link.intensity.toFixed(2)}`;
    const { look_ahead: ahead, hop } = link.about;
    const computing = link.count ? `, computing ${link.compute.toFixed(1)} ms a step` : "";
    details.textContent = `Look-ahead ${Math.round(ahead * 1000)} ms, steps of ${Math.round(hop * 1000)} ms${computing}` + (link.dropped ? `. ${link.dropped} frames were dropped: this computer is too slow.` : "");
  }, 200);
}

/** @param {any} stage Once a frame: the newest row, at its time. */
export function showLive(stage) {
  const row = link?.row ?? null;
  if (row || stage.override) stage.redraw();
  stage.override = row;
}
