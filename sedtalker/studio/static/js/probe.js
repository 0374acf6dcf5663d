/** `window.studio`: what tests and measurements read. Everything is a getter of plain values. */

import { clock } from "./clock.js";
import { clamp } from "./dom.js";
import { latency } from "./session.js";
import { busy } from "./busy.js";
import { liveNow } from "./panels/live.js";
import { weights } from "./signals.js";
import { stage } from "./stage/stage.js";
import { store } from "./store.js";
import { drawings } from "./timeline/timeline.js";
import { view } from "./timeline/view.js";

/** @param {{fps: number, frames: number}} counters */
export function startProbe(counters) {
  const probe = {
    /** whether the page shows what the server has, and nothing is under way */
    get ready() {
      if (!store.state || store.jobs.size || busy.count || (stage.ready && latency.pending !== null)) return false;
      if (stage.ready && !stage.head) return false;
      if (!store.hasAudio) return true;
      const at = clamp(Math.round(clock.time() * weights.a.fps), 0, weights.a.count - 1);
      return weights.a.known[at] === 1 && (!stage.ready || stage.shown.version === weights.a.version);
    },
    get state() { return store.state; },
    get document() { return store.document; },
    get selected() { return store.selected; },
    get time() { return clock.time(); },
    get mediaTime() { return clock.audio.currentTime; },
    get playing() { return clock.playing; },
    get fps() { return counters.fps; },
    get frames() { return counters.frames; },
    get drawings() { return { ...drawings }; },
    get latency() { return { last: latency.last, all: [...latency.all] }; },
    get memory() { return /** @type {any} */ (performance).memory?.usedJSHeapSize ?? null; },
    get webgl() { return stage.ready; },
    /** whether the head stands still and is drawn as finely as it can be */
    get still() { return !stage.ready || stage.still; },
    get jobs() { return [...store.jobs.values()]; },
    get live() { return liveNow(); },
    get region() { return store.region ? { ...store.region, loop: store.loop } : null; },
    /** the last picture of the head: seconds and weights that it shows */
    get shown() {
      const count = stage.row.length;
      return { ...stage.shown, mouth: count ? stage.row[count - 1] : 0, weights: [...stage.row.subarray(0, Math.max(count - 1, 0))] };
    },
    /** where the lanes are, in pixels of the window */
    get geometry() {
      const box = document.getElementById("lane-area").getBoundingClientRect();
      const lanes = Object.fromEntries(view.lanes.map((lane) => [lane.name, { top: box.top + lane.top, bottom: box.top + lane.top + lane.height }]));
      if (lanes.intensity) Object.assign(lanes.intensity, { low: box.top + view.lane("intensity").top + view.lane("intensity").height - 7, high: box.top + view.lane("intensity").top + 7 });
      return { left: box.left, right: box.right, start: view.start, end: view.end, lanes: { ...lanes, segments: lanes.emotion } };
    },
  };
  Object.defineProperty(window, "studio", { value: Object.freeze(probe), configurable: false });
}
