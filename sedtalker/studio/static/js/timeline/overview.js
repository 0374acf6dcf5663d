/** The whole recording in a strip (wavesurfer.js), with the visible window as a region to drag and resize. */

import WaveSurfer from "../../vendor/wavesurfer/wavesurfer.esm.js";
import Regions from "../../vendor/wavesurfer/plugins/regions.esm.js";
import { clock } from "../clock.js";
import { byId, make } from "../dom.js";
import { peaks } from "../signals.js";
import { screenRatio } from "../stage/quality.js";
import { store } from "../store.js";
import { token } from "../theme.js";
import { view } from "./view.js";

/** Pairs of peaks that the strip is drawn from. */
const PAIRS = 3000;

/** @type {any} */
let surfer = null;
/** @type {any} */
let regions = null;
/** @type {any} */
let frame = null;
let ours = false;
let width = 1;
let drawnVersion = -1;
let cursor = /** @type {HTMLElement | null} */ (null);
let strip = /** @type {HTMLCanvasElement | null} */ (null);

/** Show the recording that is there now. */
export function loadOverview() {
  const box = byId("overview");
  surfer?.destroy();
  surfer = frame = null;
  box.replaceChildren();
  if (!store.hasAudio) return;
  const { rows } = peaks.at(PAIRS / store.duration);
  const [high, low] = [1, 0].map((side) => rows.filter((_, at) => at % 2 === side));
  regions = Regions.create();
  surfer = WaveSurfer.create({
    container: box,
    height: box.clientHeight - 6,
    waveColor: token("--wave"),
    progressColor: token("--wave"),
    cursorWidth: 0,
    normalize: true,
    interact: false,
    hideScrollbar: true,
    peaks: [high, low],
    duration: store.duration,
    plugins: [regions],
  });
  cursor = make("div", { class: "overview-cursor" });
  strip = make("canvas", { class: "overview-strip" });
  box.append(cursor, strip);
  surfer.on("click", (/** @type {number} */ share) => {
    const [time, half] = [share * store.duration, (view.end - view.start) / 2];
    clock.seek(time);
    view.show(time - half, time + half);
  });
  surfer.on("ready", () => {
    frame = regions.addRegion({ start: view.start, end: Math.min(view.end, store.duration), drag: true, resize: true, color: "rgb(127 136 147 / .26)" });
    regions.on("region-update", (/** @type {any} */ region) => {
      if (ours || region !== frame) return;
      view.show(region.start, region.end);
    });
    drawnVersion = -1;
    drawStrip();
  });
}

/** The segments' colours along the foot of the strip. */
export function drawStrip() {
  if (!strip || !store.hasAudio) return;
  width = Math.max(strip.clientWidth, 1);
  strip.width = width * screenRatio();
  strip.height = 4 * screenRatio();
  const pen = strip.getContext("2d");
  pen.scale(strip.width / width, strip.height / 4);
  for (const segment of store.segments) {
    pen.fillStyle = store.colour(segment.label);
    pen.fillRect((segment.start / store.duration) * width, 0, Math.max(((segment.end - segment.start) / store.duration) * width - 1, 1), 4);
  }
}

/** Once a frame. */
export function showOverview() {
  if (!surfer || !cursor) return;
  cursor.style.transform = `translateX(${((clock.time() / Math.max(store.duration, 1e-6)) * width).toFixed(1)}px)`;
  if (!frame || drawnVersion === view.version) return;
  drawnVersion = view.version;
  ours = true;
  frame.setOptions({ start: view.start, end: Math.min(view.end, store.duration) });
  ours = false;
}
