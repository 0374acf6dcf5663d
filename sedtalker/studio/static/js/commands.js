/** What keys, buttons and menus do. */

import { clock } from "./clock.js";
import { byId, clamp, press } from "./dom.js";
import { announce } from "./notices.js";
import { edit, startJob, step, waiting } from "./session.js";
import { INTENSITY, track } from "./signals.js";
import { store } from "./store.js";
import { SHORTEST } from "./timeline/preview.js";
import { view } from "./timeline/view.js";

/** @returns {number} the chosen segment, or that at the cursor */
export const current = () => (store.selected >= 0 ? store.selected : store.segmentAt(clock.time()));

/** @returns {number} seconds of a video frame */
const frame = () => 1 / (store.document?.settings?.fps ?? 30);

/** Cut the segment at the cursor in two. */
export function split() {
  const t = clock.time();
  const segment = store.segments[store.segmentAt(t)];
  if (!segment) return;
  if (t - segment.start < SHORTEST || segment.end - t < SHORTEST) {
    announce("The cursor is too near to an edge to split");
    return;
  }
  edit({ op: "split", t }).then((ok) => {
    if (!ok) return;
    store.select(store.segmentAt(t));
    announce(`Split at ${t.toFixed(2)} seconds`);
  });
}

/** Join the segment with the one after it. */
export function merge() {
  const index = current();
  if (index < 0 || index >= store.segments.length - 1) return;
  edit({ op: "merge", index }).then((ok) => {
    if (!ok) return;
    store.select(index);
    store.changed("selection");
  });
}

/** @param {number} which of the labels */
export function relabel(which) {
  const index = current();
  const label = store.labels[which];
  if (index < 0 || !label) return;
  store.select(index);
  edit({ op: "relabel", index, label }).then((ok) => ok && announce(`Segment ${index + 1} is ${label}`));
}

/** Kind of the job in which it learns. */
export const LEARNING = "learning from corrections";

/** The diarizer learns the segments that were labelled by hand, and labels the others again. */
export const learn = () => startJob("learn", LEARNING);

/** Back to what was predicted, for one segment. */
export function resetSegment() {
  const index = current();
  if (index >= 0) edit({ op: "reset", index }).then((ok) => ok && store.select(index));
}

let gestures = 0;
let lastNudge = { at: 0, what: "" };
/** @param {string} what @returns {string} repeats of a key within a second are one step of undo */
function keyGesture(what) {
  const now = performance.now();
  if (what !== lastNudge.what || now - lastNudge.at > 1000) gestures += 1;
  lastNudge = { at: now, what };
  return `key-${what}-${gestures}`;
}

/** @param {number} by added to the segment's intensity */
export function nudgeIntensity(by) {
  const index = current();
  const segment = store.segments[index];
  if (!segment) return;
  store.select(index);
  setSegmentIntensity(index, clamp(meanIntensity(index) + by, 0, 1), keyGesture(`intensity-${index}`));
}

/** @param {number} index @returns {number} mean of the intensity in the middle of a segment */
export function meanIntensity(index) {
  const { start, end } = store.segments[index];
  let sum = 0;
  for (let i = 0; i < 40; i++) sum += track.value(start + ((end - start) * (i + 0.5)) / 40, INTENSITY);
  return sum / 40;
}

/** @param {number} index @param {number} value @param {string} [gesture] an even intensity, eased at both ends */
export function setSegmentIntensity(index, value, gesture) {
  const { start, end } = store.segments[index];
  const ease = Math.min(0.15, (end - start) / 4);
  const [before, after] = [track.value(start, INTENSITY), track.value(end, INTENSITY)];
  edit({ op: "set_intensity", points: [[start, before], [start + ease, value], [end - ease, value], [end, after]] }, { gesture });
}

/** @param {"start" | "end"} which @param {number} frames move an edge of the chosen segment */
export function nudgeEdge(which, frames) {
  const index = current();
  const edge = which === "end" ? index : index - 1;
  const left = store.segments[edge];
  if (!left || edge >= store.segments.length - 1) return;
  store.select(index);
  edit({ op: "move_edge", index: edge, t: left.end + frames * frame() });
}

/** @param {number} frames of the video */
export function stepFrames(frames) {
  if (clock.playing) clock.pause();
  const at = Math.round(clock.time() / frame());
  clock.seek((at + frames) * frame());
}

/** @param {number} index choose a segment, and go to where it begins */
function goTo(index) {
  store.select(index);
  clock.seek(store.segments[index].start);
  view.reveal(clock.time());
}

/** @param {number} by to the next or the previous segment */
export function nextSegment(by) {
  if (!store.segments.length) return;
  const from = store.selected < 0 ? store.segmentAt(clock.time()) - (by > 0 ? 1 : 0) : store.selected;
  goTo(clamp(from + by, 0, store.segments.length - 1));
}

/** To the next segment whose label is in doubt; after the last, the first again. */
export function nextDoubtful() {
  const doubtful = store.segments.map((segment, index) => (segment.uncertain ? index : -1)).filter((index) => index >= 0);
  if (!doubtful.length) return announce("No segment is in doubt");
  const from = current();
  const index = doubtful.find((other) => other > from) ?? doubtful[0];
  goTo(index);
  announce(`In doubt: segment ${index + 1}, ${doubtful.indexOf(index) + 1} of ${doubtful.length}`);
}

/** @param {"start" | "end"} which put a side of the loop at the cursor */
export function markRegion(which) {
  const t = clock.time();
  const old = store.region ?? { start: 0, end: store.duration };
  const region = which === "start" ? { start: t, end: old.end > t ? old.end : store.duration } : { start: old.start < t ? old.start : 0, end: t };
  store.region = region;
  store.loop = true;
  announce(`Loop from ${region.start.toFixed(2)} to ${region.end.toFixed(2)} seconds`);
  store.changed("region");
}

/** Loop the region, or the chosen segment where there is none. */
export function toggleLoop() {
  if (!store.region) {
    const segment = store.segments[store.selected];
    store.region = segment ? { start: segment.start, end: segment.end } : { start: 0, end: store.duration };
    store.loop = true;
  } else store.loop = !store.loop;
  store.changed("region");
}

/** Give up the region and the choice. */
export function clearSelection() {
  store.region = null;
  store.loop = false;
  store.select(-1);
  store.changed("region", "selection");
}

/** @param {number} factor about the cursor where it is seen */
export function zoom(factor) {
  const x = view.x(clock.time());
  view.zoom(factor, x >= 0 && x <= view.width ? x : view.width / 2);
}

export const zoomFit = () => view.fit();

/** The chosen segment or the region fills the window. */
export function zoomSelection() {
  const chosen = store.segments[store.selected] ?? store.region;
  if (!chosen) return zoomFit();
  const margin = 0.06 * (chosen.end - chosen.start);
  view.show(chosen.start - margin, chosen.end + margin);
}

/** @param {"select" | "draw"} tool */
export function useTool(tool) {
  store.tool = tool;
  for (const button of byId("tools").children) {
    const on = button.dataset.tool === tool;
    button.setAttribute("aria-checked", String(on));
    button.tabIndex = on ? 0 : -1;
  }
  store.changed("tool");
}

export function toggleSnap() {
  store.snap = !store.snap;
  press(byId("snap"), store.snap);
}

export function toggleFollow() {
  store.follow = !store.follow;
  press(byId("follow"), store.follow);
}

export const undo = () => (store.state?.can_undo || waiting()) && step("undo");
export const redo = () => (store.state?.can_redo || waiting()) && step("redo");
