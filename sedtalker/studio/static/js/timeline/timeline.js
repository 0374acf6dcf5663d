/** The timeline: two canvases over each other, drawn again only when something in them changed. */

import { clock } from "../clock.js";
import { byId, make } from "../dom.js";
import { drawnCurves } from "../finer.js";
import { announce } from "../notices.js";
import { screenRatio, software } from "../stage/quality.js";
import { extras } from "../signals.js";
import { activate, activeSpeaker, speakers, speakersKey } from "../speakers.js";
import { store } from "../store.js";
import { drawLanes } from "./draw.js";
import { readColours } from "./ink.js";
import { startLabelMenu } from "./label_menu.js";
import { drawOverlay, gesture } from "./overlay.js";
import { drawStrip, loadOverview, showOverview } from "./overview.js";
import { startPointer } from "./pointer.js";
import { describeSegment, updateSegmentList } from "./segment_list.js";
import { FINER_ROW, view } from "./view.js";
import { roomOfSpeakers } from "./voices.js";

let stale = true;
let staleOver = true;
let drawnView = -1;
let drawnTime = -1;
/** the `screenRatio` that the canvases were made for */
let ratio = 0;
/** counts drawings of the lanes, for measurements */
export const drawings = { lanes: 0, overlay: 0 };

/** Everything is to be drawn again. */
function redrawTimeline() {
  stale = staleOver = true;
}

/** Only what lies over the lanes; while something is dragged the lanes too. */
function redrawOver() {
  staleOver = true;
  if (gesture.edge >= 0 || gesture.intensity || store.document !== store.state?.document) stale = true;
}

/** Colours of the theme changed. */
export function recolourTimeline() {
  readColours();
  loadOverview();
  redrawTimeline();
}

/** @type {{place: HTMLElement, column: number}[]} where the values of fine-grained emotions at the cursor are shown */
let values = [];

function showHeads() {
  values = [];
  const tops = view.lanes.map((lane) => {
    const noted = (lane.height > 40 || lane.name === "plane") && lane.note;
    const note = lane.curve || noted ? make("small", { text: lane.curve ? "" : lane.note }) : null;
    if (lane.curve) values.push({ place: note, column: lane.curve.column });
    const speaker = lane.name.startsWith("speaker") ? speakers()[lane.speaker] : null;
    const whose = speaker && { onclick: () => activate(speaker.name), "data-active": String(speaker.active) };
    return make("span", { "data-lane": lane.name, ...whose, class: lane.curve ? "finer-head" : speaker ? "speaker-head" : null, style: `top:${lane.top}px;height:${lane.height}px` }, make("b", { text: lane.title, title: lane.title }), note);
  });
  const heads = byId("lane-heads");
  heads.replaceChildren(...tops);
  view.heads = heads.offsetWidth > 0;
  showValues(clock.time());
}

/** @param {number} time */
function showValues(time) {
  for (const { place, column } of values) {
    const text = extras.value(time, column).toFixed(2).replace(/^0/, "");
    if (place.textContent !== text) place.textContent = text;
  }
}

function resize() {
  const area = byId("lane-area");
  ratio = screenRatio();
  for (const id of ["lanes", "lanes-over"]) {
    const canvas = byId(id);
    // Without a graphics card, pictures that stay in main memory are drawn and shown faster.
    canvas.getContext("2d", { willReadFrequently: software() });
    canvas.width = Math.round(area.clientWidth * ratio);
    canvas.height = Math.round(area.clientHeight * ratio);
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  view.resize(area.clientWidth, area.clientHeight);
  showHeads();
  updateSegmentList();
  drawStrip();
  redrawTimeline();
}

/** @param {number} time The cursor is an element of its own: moving it draws no canvas again. */
function showCursor(time) {
  const x = view.x(time);
  const cursor = byId("cursor");
  cursor.hidden = !store.hasAudio || x < -8 || x > view.width + 8;
  cursor.style.transform = `translateX(${x.toFixed(2)}px)`;
}

/** Once a frame. @returns {boolean} whether lanes were drawn */
export function frameTimeline() {
  const time = clock.time();
  if (ratio !== screenRatio()) resize();
  if (clock.playing && store.follow && gesture.intensity === null) view.reveal(time);
  const moved = drawnView !== view.version;
  let drew = false;
  if (stale || moved) {
    drawLanes(byId("lanes").getContext("2d"));
    drawings.lanes += 1;
    drew = true;
  }
  if (moved || time !== drawnTime) showCursor(time);
  if (time !== drawnTime) showValues(time);
  if (staleOver || stale || moved) {
    drawOverlay(byId("lanes-over").getContext("2d"));
    drawings.overlay += 1;
  }
  showOverview();
  stale = staleOver = false;
  drawnView = view.version;
  drawnTime = time;
  return drew;
}

/** The speakers whose lanes are arranged. */
let arranged = "";

/** There are other lanes: room for them, and where the window has none, scrolling. */
function rearrange() {
  const rows = drawnCurves().length * FINER_ROW;
  document.documentElement.style.setProperty("--finer", `${rows + roomOfSpeakers()}px`);
  document.documentElement.toggleAttribute("data-finer", rows > 0);
  view.arrange();
  byId("lane-area").style.minHeight = speakers().length ? `${view.lowest}px` : "";
  showHeads();
  updateSegmentList();
  redrawTimeline();
}

/** Wire everything. */
export function startTimeline() {
  new ResizeObserver(resize).observe(byId("lane-area"));
  startPointer(byId("lanes-over"), redrawOver);
  startLabelMenu();
  store.on("audio", () => {
    view.arrange();
    view.fit();
    showHeads();
    loadOverview();
    redrawTimeline();
  });
  store.on("state", () => {
    const before = view.lanes.length;
    view.arrange();
    if (view.lanes.length !== before) showHeads();
    redrawTimeline();
  });
  store.on("finer", rearrange);
  store.on("state document", () => {
    if (arranged === speakersKey()) return;
    arranged = speakersKey();
    const who = activeSpeaker();
    byId("segments").setAttribute("aria-label", who ? `Emotion segments of ${who.name}` : "Emotion segments");
    rearrange();
  });
  store.on("document", () => {
    updateSegmentList();
    drawStrip();
    redrawTimeline();
  });
  store.on("track weights region", redrawTimeline);
  store.on("tool", redrawOver);
  store.on("selection", () => {
    updateSegmentList();
    redrawOver();
    if (store.selected >= 0) announce(describeSegment(store.selected));
  });
  resize();
}
