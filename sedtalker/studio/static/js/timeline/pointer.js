/** Mouse, pen and finger on the lanes: seek, mark a region, drag edges, segments and intensity, zoom and scroll. */

import { clock } from "../clock.js";
import { clamp } from "../dom.js";
import { edit } from "../session.js";
import { activate, activeSpeaker, speakers } from "../speakers.js";
import { INTENSITY, track } from "../signals.js";
import { store } from "../store.js";
import { burstAt } from "./beside.js";
import { openBurstMenu, openLabelMenu } from "./label_menu.js";
import { HEADER, intensityAt, intensityY } from "./draw.js";
import { gesture, visiblePoints } from "./overlay.js";
import { moveEdge, moveSegment, simplify, strokeToCurve } from "./preview.js";
import { view } from "./view.js";

/** Pixels around an edge or a point in which it is taken hold of; fingers have twice as many. */
const REACH = 6;
/** Pixels the pointer moves before a press is a drag. */
const SLOP = 4;
/** Pixels within which an edge snaps. */
const SNAP = 9;

/** @typedef {{move: (t: number, y: number, event: PointerEvent) => void, end: (dragged: boolean, event: PointerEvent) => void, cancel: () => void}} Drag */

let redraw = () => {};

/** @param {number} time @param {boolean} [free] @returns {number} a pause's edge, a word's edge or the cursor, if near */
function snapTime(time, free = false) {
  gesture.snapped = null;
  if (!store.snap || free) return time;
  const places = [clock.time(), ...(activeSpeaker()?.turns ?? store.state?.pauses ?? []).flat(), ...(store.state?.words ?? []).flatMap((/** @type {any} */ w) => [w.start, w.end])];
  let best = SNAP / view.scale;
  let found = time;
  for (const place of places) {
    if (Math.abs(place - time) > best) continue;
    best = Math.abs(place - time);
    found = gesture.snapped = place;
  }
  return found;
}

/** @param {number} x @param {number} y @param {number} reach @returns {number} the edge there: between a segment and the next; -1: none */
function edgeAt(x, y, reach) {
  if (view.laneAt(y)?.name !== "emotion") return -1;
  const list = store.segments;
  const index = store.segmentAt(view.time(x));
  let found = -1;
  let best = reach + 0.5;
  for (const k of [index - 1, index]) {
    if (k < 0 || k >= list.length - 1) continue;
    const off = Math.abs(view.x(list[k].end) - x);
    if (off < best) [best, found] = [off, k];
  }
  return found;
}

/** @param {number} x @param {number} y @param {number} reach @returns {number} which of the visible points; -1: none */
function pointAt(x, y, reach) {
  const lane = view.lane("intensity");
  return visiblePoints().findIndex(([t, v]) => Math.hypot(view.x(t) - x, intensityY(lane, v) - y) <= reach + 2);
}

/** @param {string} lane @param {number} t @returns {Drag} seek, and scrub along */
function seekDrag(lane, t) {
  const scrub = lane === "ruler";
  const before = store.region;
  clock.seek(t);
  return {
    move(time, _, event) {
      if (scrub) clock.seek(time);
      else {
        const end = snapTime(time, event.altKey);
        store.region = { start: Math.max(0, Math.min(t, end)), end: Math.min(store.duration, Math.max(t, end)) };
      }
    },
    end(dragged) {
      if (scrub) return;
      if (dragged && store.region && store.region.end - store.region.start > 0.02) store.loop = true;
      else if (dragged) store.region = before;
      else if (lane === "wave") [store.region, store.loop] = [null, false];
      store.changed("region");
    },
    cancel() {
      store.region = before;
    },
  };
}

/** @param {number} index of the burst in the document @param {number} t @returns {Drag} a click opens its menu; a drag marks a region */
function burstDrag(index, t) {
  const drag = seekDrag("wave", t);
  return {
    ...drag,
    end(dragged, event) {
      if (dragged) drag.end(dragged, event);
      else openBurstMenu(index, event.clientX, event.clientY);
    },
  };
}

/** @param {number} index @returns {Drag} */
function edgeDrag(index) {
  const before = store.document;
  let placed = before.segments[index].end;
  return {
    move(time, _, event) {
      const moved = moveEdge(before.segments, index, snapTime(time, event.altKey));
      placed = moved.time;
      store.document = { ...before, segments: moved.segments };
      gesture.edge = index;
    },
    end(dragged, event) {
      if (dragged) edit({ op: "move_edge", index, t: placed }, { started: event.timeStamp });
    },
    cancel() {
      store.document = before;
    },
  };
}

/** @param {number} index @param {number} t @param {boolean} wasChosen @param {number} y @returns {Drag} */
function segmentDrag(index, t, wasChosen, y) {
  const before = store.document;
  const lane = view.lane("emotion");
  let delta = 0;
  return {
    move(time, _, event) {
      const own = before.segments[index];
      const wanted = snapTime(own.start + time - t, event.altKey) - own.start;
      const moved = moveSegment(before.segments, index, wanted);
      delta = moved.delta;
      store.document = { ...before, segments: moved.segments };
    },
    end(dragged, event) {
      if (dragged && delta) edit({ op: "move_segment", index, delta }, { started: event.timeStamp });
      else if (!dragged && wasChosen && y < lane.top + HEADER) openLabelMenu(index, event.clientX, event.clientY);
      else if (!dragged) clock.seek(t);
    },
    cancel() {
      store.document = before;
    },
  };
}

/** @param {[number, number][]} points of which the one at `held` follows the pointer @param {number} held @returns {Drag} */
function pointDrag(points, held) {
  const low = points[held - 1]?.[0] ?? 0;
  const high = points[held + 1]?.[0] ?? store.duration;
  const [t0] = points[held];
  gesture.intensity = points;
  return {
    move(time, y, event) {
      const lane = view.lane("intensity");
      const t = event.shiftKey ? t0 : clamp(time, low + 0.005, Math.max(high - 0.005, low + 0.005));
      points[held] = [held === 0 || held === points.length - 1 ? t0 : t, intensityAt(lane, y)];
      gesture.intensity = points;
    },
    end(dragged, event) {
      gesture.intensity = null;
      if (dragged) edit({ op: "set_intensity", points }, { started: event.timeStamp });
    },
    cancel() {
      gesture.intensity = null;
    },
  };
}

/** @param {number} t @param {number} y @returns {Drag} freehand */
function drawDrag(t, y) {
  const lane = view.lane("intensity");
  /** @type {[number, number][]} */
  const stroke = [[clamp(t, 0, store.duration), intensityAt(lane, y)]];
  return {
    move(time, at, event) {
      for (const step of event.getCoalescedEvents?.() ?? []) {
        const box = /** @type {HTMLElement} */ (event.target).getBoundingClientRect();
        stroke.push([clamp(view.time(step.clientX - box.left), 0, store.duration), intensityAt(lane, step.clientY - box.top)]);
      }
      stroke.push([clamp(time, 0, store.duration), intensityAt(lane, at)]);
      gesture.intensity = strokeToCurve(stroke);
    },
    end(dragged, event) {
      const points = simplify(gesture.intensity ?? [], 0.01);
      gesture.intensity = null;
      if (dragged && points.length >= 2) edit({ op: "set_intensity", points }, { started: event.timeStamp });
    },
    cancel() {
      gesture.intensity = null;
    },
  };
}

/** @param {number} x @param {number} y @param {number} reach @param {PointerEvent} event @returns {Drag | null} */
function intensityDrag(x, y, reach, event) {
  const lane = view.lane("intensity");
  const t = clamp(view.time(x), 0, store.duration);
  if (store.tool === "draw") return drawDrag(t, y);
  const envelope = store.document.envelope;
  const visible = pointAt(x, y, reach);
  if (visible >= 0) {
    const index = envelope.indexOf(visiblePoints()[visible]);
    const [first, last] = [Math.max(index - 1, 0), Math.min(index + 1, envelope.length - 1)];
    if (event.altKey && first < index && index < last) {
      edit({ op: "set_intensity", points: [envelope[first], envelope[last]] });
      return null;
    }
    return pointDrag(envelope.slice(first, last + 1).map(([a, b]) => /** @type {[number, number]} */ ([a, b])), index - first);
  }
  const value = track.value(t, INTENSITY);
  if (Math.abs(intensityY(lane, value) - y) > reach + 3) return seekDrag("intensity", t);
  const after = envelope.findIndex(([time]) => time > t);
  if (after <= 0) return seekDrag("intensity", t);
  return pointDrag([[...envelope[after - 1]], [t, value], [...envelope[after]]], 1);
}

/** @param {number} x @param {number} y @param {PointerEvent} event @returns {Drag | null} what a press here begins */
function begin(x, y, event) {
  const reach = event.pointerType === "touch" ? 2 * REACH : REACH;
  const { name: lane = "", speaker } = view.laneAt(y) ?? {};
  const t = clamp(view.time(x), 0, store.duration);
  if (speaker !== undefined && !speakers()[speaker]?.active) {
    clock.seek(t);
    activate(speakers()[speaker].name);
    return null;
  }
  if (lane === "emotion") {
    const edge = edgeAt(x, y, reach);
    if (edge >= 0) return edgeDrag(edge);
    const index = store.segmentAt(t);
    if (index < 0) return null;
    const wasChosen = store.selected === index;
    store.select(index);
    return segmentDrag(index, t, wasChosen, y);
  }
  if (lane === "intensity") return intensityDrag(x, y, reach, event);
  const burst = lane === "wave" ? burstAt(x, y, reach) : -1;
  if (burst >= 0) return burstDrag(burst, t);
  return seekDrag(lane, t);
}

/** @param {HTMLElement} area @param {number} x @param {number} y @param {string} kind */
function hover(area, x, y, kind) {
  gesture.hover = kind === "touch" ? null : clamp(view.time(x), 0, store.duration);
  gesture.edge = edgeAt(x, y, REACH);
  const lane = view.laneAt(y)?.name;
  gesture.overIntensity = lane === "intensity";
  gesture.point = gesture.overIntensity && store.tool === "select" ? pointAt(x, y, REACH) : -1;
  const draws = gesture.overIntensity && store.tool === "draw";
  area.style.cursor = gesture.edge >= 0 ? "ew-resize" : draws ? "crosshair" : gesture.point >= 0 ? "grab" : lane === "emotion" ? "default" : burstAt(x, y, REACH) >= 0 || lane?.startsWith("other") ? "pointer" : "text";
}

/**
 * @param {HTMLElement} area the topmost canvas
 * @param {() => void} changed what to call when something is to be drawn again
 */
export function startPointer(area, changed) {
  redraw = changed;
  /** @type {{drag: Drag | null, x: number, y: number, moved: boolean} | null} */
  let held = null;
  /** @type {Map<number, PointerEvent>} fingers that are down */
  const fingers = new Map();
  let pinch = 0; // pixels between the first two at the last move; 0: others have come or gone since
  const place = (/** @type {MouseEvent} */ event) => {
    const box = area.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  // A ring round what the pointer chose would only be in the way; it comes with the first key.
  const list = document.getElementById("segments");
  addEventListener("keydown", () => list.classList.remove("by-pointer"));
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };

  // The segments have the focus, not what lies around the canvas.
  area.addEventListener("mousedown", (event) => event.preventDefault());
  area.addEventListener("pointerdown", (event) => {
    if (!store.hasAudio || event.button > 0) return;
    fingers.set(event.pointerId, event);
    area.setPointerCapture(event.pointerId);
    if (fingers.size > 1) {
      held?.drag?.cancel();
      held = null;
      pinch = 0;
      return;
    }
    const [x, y] = place(event);
    held = { drag: begin(x, y, event), x, y, moved: false };
    list.classList.add("by-pointer");
    list.focus({ preventScroll: true });
    redraw();
  });
  area.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
    if (fingers.size > 1) {
      const now = Math.max(spread(), 1);
      const [a, b] = [...fingers.values()].map((finger) => place(finger)[0]);
      if (pinch) view.zoom(now / pinch, (a + b) / 2);
      pinch = now;
    } else if (held) {
      held.moved ||= Math.hypot(x - held.x, y - held.y) > SLOP;
      if (held.moved) held.drag?.move(view.time(x), y, event);
    } else hover(area, x, y, event.pointerType);
    redraw();
  });
  const finish = (/** @type {PointerEvent} */ event, /** @type {boolean} */ cancelled) => {
    fingers.delete(event.pointerId);
    pinch = 0;
    if (held) {
      if (cancelled) held.drag?.cancel();
      else held.drag?.end(held.moved, event);
    }
    held = null;
    gesture.snapped = null;
    gesture.edge = -1;
    redraw();
  };
  area.addEventListener("pointerup", (event) => finish(event, false));
  area.addEventListener("pointercancel", (event) => finish(event, true));
  area.addEventListener("pointerleave", () => {
    if (held) return;
    Object.assign(gesture, { hover: null, edge: -1, point: -1, overIntensity: false });
    redraw();
  });
  area.addEventListener("contextmenu", (event) => {
    const [x, y] = place(event);
    const burst = store.hasAudio ? burstAt(x, y, REACH) : -1;
    if (burst >= 0) {
      event.preventDefault();
      openBurstMenu(burst, event.clientX, event.clientY);
      return;
    }
    if (view.laneAt(y)?.name !== "emotion" || !store.hasAudio) return;
    event.preventDefault();
    openLabelMenu(store.segmentAt(view.time(x)), event.clientX, event.clientY);
  });
  area.addEventListener("wheel", (event) => {
    if (!store.hasAudio) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.ctrlKey || event.metaKey) view.zoom(Math.exp(-event.deltaY * unit * 0.006), place(event)[0]);
    else view.scroll((Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY) * unit);
    redraw();
  }, { passive: false });
}
