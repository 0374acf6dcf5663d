/** The block of the speakers: find them, choose who is worked on, rename, exchange and merge. */

import { chooseFile, enable, make, press } from "../dom.js";
import { sendFile } from "../session.js";
import { activate, activeSpeaker, findSpeakers, merge, rename, speakers, swap } from "../speakers.js";
import { store } from "../store.js";
import { block } from "./dock.js";

/** Speakers that can be asked for by number; more come from a file of turns. */
const MOST = 8;
const WHOLE = "Where several people talk, each gets a face, an emotion and lanes.";

/** @param {import("../speakers.js").Speaker} speaker */
function choice(speaker) {
  const seconds = speaker.turns.reduce((sum, [start, end]) => sum + end - start, 0);
  const button = make("button", { class: "speaker", onclick: () => activate(speaker.name) },
    make("b", { text: speaker.name }), make("small", { text: `${seconds.toFixed(1)} s, ${speaker.face}` }));
  press(button, speaker.active);
  return button;
}

/** @returns {HTMLElement} */
export function speakersBlock() {
  const note = make("p", { class: "note", text: WHOLE });
  const list = make("div", { class: "speakers", role: "group", "aria-label": "Speakers" });
  const name = make("input", { type: "text", id: "speaker-name", maxlength: 60, spellcheck: "false", autocomplete: "off" });
  const other = make("select", { id: "speaker-other" });
  const own = () => activeSpeaker()?.name ?? "";
  const exchange = make("button", { class: "wide", title: "Exchange what the two say; names and faces stay", onclick: () => swap(own(), other.value) });
  const join = make("button", { class: "wide", title: "The other one says all of it", onclick: () => merge(own(), other.value) });
  const both = make("div", { class: "block" }, exchange, join);
  const nameBoth = () => [exchange.textContent, join.textContent] = [`Swap with ${other.value}`, `Merge into ${other.value}`];
  other.addEventListener("change", nameBoth);
  const fieldOfOther = make("div", { class: "field" }, make("label", { for: "speaker-other", text: "With" }), other);
  const tools = make("div", { class: "block" }, list,
    make("div", { class: "field" }, make("label", { for: "speaker-name", text: "Name" }), name), fieldOfOther, both);
  name.addEventListener("change", async () => {
    if (name.value.trim() && name.value !== own()) await rename(own(), name.value);
    name.value = own(); // the old one, where the new one was refused
  });
  const numbers = Array.from({ length: MOST - 1 }, (_, i) => make("option", { value: i + 2, text: `${i + 2} speakers` }));
  const how = make("select", { "aria-label": "How many speakers", class: "grow" }, make("option", { value: "auto", text: "As many as there are" }), ...numbers, make("option", { value: "channels", text: "One a channel" }));
  const find = make("button", { text: "Find", onclick: () => findSpeakers(how.value) });
  const load = make("button", { class: "grow", text: "Load turns (RTTM)", onclick: () => chooseFile(".rttm", (file) => sendFile(file, "speakers")) });
  const whole = block("Speakers", note, tools, make("div", { class: "row" }, how, find), make("div", { class: "row" }, load));
  store.on("state document jobs", () => {
    const all = speakers();
    whole.hidden = !store.hasAudio;
    note.hidden = all.length > 0;
    tools.hidden = !all.length;
    [both.hidden, fieldOfOther.hidden] = [all.length < 2, all.length < 3];
    for (const button of [find, load, ...both.children]) enable(/** @type {HTMLElement} */ (button), !store.jobs.size);
    const focused = [...list.children].indexOf(/** @type {Element} */ (document.activeElement));
    list.replaceChildren(...all.map(choice));
    list.children[focused]?.focus({ preventScroll: true });
    if (document.activeElement !== name) name.value = own();
    const chosen = other.value;
    other.replaceChildren(...all.filter((speaker) => !speaker.active).map((speaker) => make("option", { value: speaker.name, text: speaker.name, selected: speaker.name === chosen })));
    nameBoth();
  });
  return whole;
}
