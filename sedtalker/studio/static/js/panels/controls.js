/** The tab of settings: the chosen segment, and what holds for the whole recording. */

import * as command from "../commands.js";
import { burstName, capital, enable, freshId, icon, make, press, swatch } from "../dom.js";
import { clock } from "../clock.js";
import { edit } from "../session.js";
import { byHand, store } from "../store.js";
import { block } from "./dock.js";
import { slider } from "./slider.js";

/** @param {HTMLElement} panel */
export function buildControls(panel) {
  panel.append(segmentBlock(), burstBlock(), globalBlock(), directionBlock(), regionBlock(), motionBlock(), soundBlock());
}

/** @returns {HTMLElement} the chosen segment: emotion, times, intensity */
function segmentBlock() {
  const [start, end] = [freshId("start"), freshId("end")].map((id) => make("input", { type: "number", id, step: "0.01", min: "0" }));
  const labels = make("div", { class: "label-grid", role: "group", "aria-label": "Emotion of the segment" });
  const about = make("p", { class: "note" });
  const strength = slider({
    label: "Intensity", min: 0, max: 1, step: 0.01, normal: 0.6,
    changed: (value, gesture) => {
      const index = command.current();
      if (index >= 0) command.setSegmentIntensity(index, value, gesture);
    },
  });
  const times = make("div", { class: "times" }, make("label", {}, "Start", start), make("label", {}, "End", end));
  const reset = make("button", { class: "link", text: "Back to the prediction", onclick: command.resetSegment });
  const doubtful = make("button", { class: "quiet", title: "Key U", text: "Next in doubt", onclick: command.nextDoubtful });
  const learn = make("button", { class: "quiet", title: "The diarizer learns the segments that you labelled, and labels the others again; undo goes back", text: "Learn from my corrections", onclick: command.learn });
  const title = make("span", { text: "Segment" });
  const element = make("section", { class: "block", "aria-label": "Segment" }, make("h2", {}, title, reset), labels, times, strength.element, about, doubtful, learn);
  const moveEdge = (/** @type {HTMLInputElement} */ input, /** @type {number} */ shift) => () => {
    const edge = command.current() + shift;
    const [left, right] = store.segments.slice(Math.max(edge, 0), edge + 2);
    if (edge < 0 || !right) return show();
    const t = input.valueAsNumber;
    if (!(t > left.start && t < right.end)) {
      input.value = left.end.toFixed(2);
      return;
    }
    edit({ op: "move_edge", index: edge, t });
  };
  start.addEventListener("change", moveEdge(start, -1));
  end.addEventListener("change", moveEdge(end, 0));
  let shown = -2;
  const show = () => {
    const index = command.current();
    const segment = store.segments[index];
    element.hidden = !segment;
    if (!segment) return;
    if (labels.children.length !== store.labels.length) {
      labels.replaceChildren(...store.labels.map((label, i) =>
        make("button", { "data-label": label, title: `Key ${i + 1}`, onclick: () => command.relabel(i) }, swatch(store.colour(label)), capital(label)),
      ));
    }
    for (const button of labels.children) press(button, button.dataset.label === segment.label);
    title.textContent = `Segment ${index + 1} of ${store.segments.length}`;
    if (document.activeElement !== start) start.value = segment.start.toFixed(2);
    if (document.activeElement !== end) end.value = segment.end.toFixed(2);
    start.disabled = index === 0;
    end.disabled = index === store.segments.length - 1;
    strength.set(command.meanIntensity(index));
    reset.hidden = !store.document?.edited;
    const second = segment.second ? `, or ${segment.second[0]} ${segment.second[1].toFixed(2)}` : "";
    about.textContent = byHand(segment) ? `Set by hand; predicted: ${segment.base_label}.` : `Confidence ${segment.confidence.toFixed(2)}${second}${segment.uncertain ? ", in doubt" : ""}.`;
    doubtful.hidden = !store.segments.some((other) => other.uncertain);
    learn.hidden = new Set(store.segments.filter(byHand).map((other) => other.label)).size < 2;
    enable(learn, !store.job(command.LEARNING));
    shown = index;
  };
  store.on("document selection track seek jobs", show);
  // While it plays, the segment at the cursor is shown.
  store.on("frame", () => {
    if (store.selected < 0 && store.segmentAt(clock.time()) !== shown) show();
  });
  show();
  return element;
}

/** @returns {HTMLElement} laughter, cries and sighs: where they are, and which are none */
function burstBlock() {
  const list = make("ul", { class: "bursts" });
  const element = block("Laughter and sighs", list);
  element.setAttribute("aria-label", "Laughter and sighs");
  store.on("document", () => {
    const bursts = store.document?.bursts ?? [];
    element.hidden = !bursts.length;
    const at = [...list.children].findIndex((row) => row.contains(document.activeElement));
    list.replaceChildren(...bursts.map((burst) => {
      const name = capital(burstName(burst.kind));
      const where = `${burst.start.toFixed(2)} to ${burst.end.toFixed(2)} s`;
      return make("li", {}, make("button", { class: "quiet", title: `Confidence ${burst.confidence.toFixed(2)}`, onclick: () => clock.seek(burst.start) }, make("b", { text: name }), make("span", { text: where })),
        make("button", { class: "icon", "aria-label": `Remove: ${name}, ${where}`, title: "Remove it: it was none", onclick: () => edit({ op: "remove_burst", index: burst.index }) }, icon("close")));
    }));
    if (at >= 0) list.children[Math.min(at, bursts.length - 1)]?.querySelector("button").focus({ preventScroll: true });
  });
  element.hidden = true;
  return element;
}

/** Settings with a control of their own place; all others with a range get a slider below "Whole recording".
 * @type {Set<string>} */
const placed = new Set(["fps", "seed"]);

/** @returns {Record<string, {default: any, least: number | null, most: number | null, help: string}>} */
const declared = () => store.state?.options?.settings ?? {};

/** Once, as soon as the page knows what can be set. @param {() => void} callback */
function whenDeclared(callback) {
  let waits = true;
  store.on("state", () => {
    if (!waits || !Object.keys(declared()).length) return;
    waits = false;
    callback();
  });
}

/** @param {string} name @param {string} [label] @returns {HTMLElement} a slider, with the range and the default of its setting */
function declaredSlider(name, label = capital(name.replaceAll("_", " "))) {
  const { default: normal, least, most, whole, help } = declared()[name];
  const grain = whole ? { step: 1, digits: 0 } : { step: 0.01 };
  const made = slider({ label, min: least, max: most, ...grain, normal, title: help, changed: (value, gesture) => edit({ op: "settings", [name]: value }, { gesture }) });
  const show = () => made.set(store.document?.settings?.[name] ?? normal);
  store.on("document", show);
  show();
  return made.element;
}

/** @param {string} name @param {string} [label] @returns {HTMLElement} where the slider of a setting will be */
function setting(name, label) {
  placed.add(name);
  const place = make("div");
  whenDeclared(() => place.replaceWith(declaredSlider(name, label)));
  return place;
}

function globalBlock() {
  const style = make("select", { id: "style" });
  const others = make("div");
  whenDeclared(() => {
    const names = Object.entries(declared()).filter(([name, { least, most }]) => least !== null && most !== null && !placed.has(name));
    others.replaceChildren(...names.map(([name]) => declaredSlider(name)));
  });
  store.on("state document", () => {
    const names = store.state?.options?.styles ?? [];
    const now = store.document?.settings?.style ?? declared().style?.default ?? "";
    const all = names.includes(now) ? names : [now, ...names];
    if ([...style.options].map((o) => o.value).join() !== all.join()) style.replaceChildren(...all.map((name) => make("option", { value: name, text: capital(name) })));
    style.value = now;
  });
  style.addEventListener("change", () => edit({ op: "settings", style: style.value }));
  const reset = make("button", { class: "link", text: "Reset", "aria-label": "Reset all settings", onclick: resetSettings });
  return make("section", { class: "block" }, make("h2", {}, "Whole recording", reset),
    setting("intensity"),
    setting("expressivity"),
    setting("articulation"),
    make("div", { class: "field" }, make("label", { for: "style", text: "Style" }), style),
    setting("min_confidence", "Doubt below"),
    others,
  );
}

function resetSettings() {
  const { fps, light, ...usual } = Object.fromEntries(Object.entries(declared()).map(([name, option]) => [name, option.default]));
  edit({ op: "settings", ...usual });
}

function regionBlock() {
  const rows = make("div");
  /** @type {Map<string, import("./slider.js").Slider>} */
  const made = new Map();
  store.on("state document", () => {
    for (const name of store.state?.options?.regions ?? []) {
      if (!made.has(name)) {
        const row = slider({ label: capital(name), min: 0, max: 2, step: 0.01, normal: 1, title: `Scales the emotion of the region: ${name}`, changed: (value, gesture) => edit({ op: "settings", gain: { [name]: value } }, { gesture }) });
        made.set(name, row);
        rows.append(row.element);
      }
      made.get(name).set(store.document?.settings?.gain?.[name] ?? 1);
    }
  });
  return block("Regions of the face", rows);
}

/** @returns {HTMLElement} what a director asks beside the sliders of the whole recording */
function directionBlock() {
  const wished = make("select", { id: freshId("prefer") });
  const current = () => (store.document?.settings?.prefer ?? "").split(":");
  const share = slider({ label: "Its share", min: 0, max: 1, step: 0.01, normal: 0.5, title: "How far the preferred emotion replaces the others", changed: (value, gesture) => {
    if (wished.value) edit({ op: "settings", prefer: `${wished.value}:${value}` }, { gesture });
  } });
  wished.addEventListener("change", () => edit({ op: "settings", prefer: wished.value ? `${wished.value}:${current()[1] ?? 0.5}` : null }));
  store.on("state document", () => {
    if (wished.options.length !== store.labels.length + 1) wished.replaceChildren(make("option", { value: "", text: "None" }), ...store.labels.map((label) => make("option", { value: label, text: capital(label) })));
    const [label, number] = current();
    wished.value = label;
    share.set(Number(number ?? 0.5));
  });
  const rows = [
    { option: "offset", name: "lids", label: "Lids", title: "How much further the lids are closed", min: -0.5, max: 0.5 },
    { option: "offset", name: "lips", label: "Lips", title: "How much further the lips are apart; closed lips stay closed", min: -0.5, max: 0.5 },
    { option: "smooth", name: "upper", label: "Smooth upper", title: "Seconds over which the face above the mouth is averaged", min: 0, max: 1, unit: " s" },
    { option: "smooth", name: "lower", label: "Smooth lower", title: "Seconds over which mouth and jaw are averaged; closed lips stay closed", min: 0, max: 1, unit: " s" },
  ].map(({ option, name, ...range }) => {
    const row = slider({ ...range, step: 0.01, normal: 0, changed: (value, gesture) => edit({ op: "settings", [option]: { [name]: value } }, { gesture }) });
    store.on("document", () => row.set(store.document?.settings?.[option]?.[name] ?? 0));
    return row.element;
  });
  return block("Direction", make("div", { class: "field" }, make("label", { for: wished.id, text: "Prefer" }), wished), share.element, ...rows);
}

function motionBlock() {
  const toggle = (/** @type {string} */ name, /** @type {string} */ text) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => edit({ op: "settings", [name]: box.checked }));
    store.on("document", () => { box.checked = Boolean(store.document?.settings?.[name]); });
    return make("label", { class: "check" }, box, text);
  };
  const seed = make("input", { type: "number", id: "seed", min: "0", step: "1" });
  seed.addEventListener("change", () => edit({ op: "settings", seed: Math.max(0, Math.round(Number(seed.value) || 0)) }));
  store.on("document", () => { if (document.activeElement !== seed) seed.value = String(store.document?.settings?.seed ?? 0); });
  const again = make("button", { text: "Another", title: "Other blinks, gaze and head motion", onclick: () => edit({ op: "settings", seed: Math.floor(Math.random() * 10000) }) });
  return block("Idle motion",
    make("div", { class: "toggles" }, toggle("blinks", "Blinks"), toggle("gaze", "Gaze"), toggle("head", "Head motion")),
    setting("liveliness"),
    setting("eye_contact"),
    make("div", { class: "field" }, make("label", { for: "seed", text: "Seed" }), make("div", { class: "row" }, seed, again)),
  );
}

function soundBlock() {
  const delay = slider({
    label: "Sound delay", min: 0, max: 400, step: 5, normal: 0, digits: 0, unit: " ms",
    title: "For wireless headphones: how much later the sound is than the browser knows",
    changed: (value) => clock.setDelay(value / 1000),
  });
  delay.set(clock.delay * 1000);
  return block("Playing", delay.element);
}
