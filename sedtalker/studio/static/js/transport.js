/** The row of buttons above the timeline, the time, and the divider above it. */

import { clock } from "./clock.js";
import * as command from "./commands.js";
import { byId, clamp, enable, press, setIcon, timecode } from "./dom.js";
import { complain } from "./notices.js";
import { store } from "./store.js";

const HEIGHT_KEY = "sedtalker-studio-timeline-height";

/** Wire the buttons. */
export function startTransport() {
  const click = (/** @type {string} */ id, /** @type {() => void} */ act) => byId(id).addEventListener("click", act);
  click("to-start", () => clock.seek(0));
  click("play", () => clock.toggle().catch(complain));
  click("loop", command.toggleLoop);
  click("split", command.split);
  click("merge", command.merge);
  click("snap", command.toggleSnap);
  click("follow", command.toggleFollow);
  click("zoom-in", () => command.zoom(1.5));
  click("zoom-out", () => command.zoom(1 / 1.5));
  click("zoom-fit", command.zoomFit);
  click("undo", command.undo);
  click("redo", command.redo);
  byId("rate").addEventListener("change", () => clock.setRate(Number(byId("rate").value)));
  startTools();
  startSplitter();
  store.on("transport", () => {
    setIcon(byId("play"), clock.playing ? "pause" : "play");
    byId("play").setAttribute("aria-label", clock.playing ? "Pause" : "Play");
  });
  store.on("frame", showTime);
  store.on("region", () => press(byId("loop"), store.loop));
  store.on("state document history", () => {
    enable(byId("undo"), store.state?.can_undo);
    enable(byId("redo"), store.state?.can_redo);
    for (const id of ["play", "to-start", "loop", "split", "merge", "compare", "project-save"]) byId(id).disabled = !store.hasAudio;
    byId("timecode-total").textContent = store.hasAudio ? `/ ${timecode(store.duration, 2)}` : "";
  });
}

/** The tools are a group of radio buttons: arrows move between them. */
function startTools() {
  const tools = byId("tools");
  tools.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (button) command.useTool(/** @type {any} */ (button.dataset.tool));
  });
  tools.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!/^Arrow/.test(event.key)) return;
    command.useTool(store.tool === "select" ? "draw" : "select");
    tools.querySelector("[aria-checked=true]").focus();
    event.preventDefault();
    event.stopPropagation();
  });
}

/** The divider between stage and timeline, by pointer and keys. */
function startSplitter() {
  const bar = byId("splitter");
  /** Pixels that rows of fine-grained emotions add. */
  const added = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--finer")) || 0;
  const set = (/** @type {number} */ whole) => {
    const bounded = Math.round(clamp(whole - added(), 180, Math.max(innerHeight - 260 - added(), 180)));
    document.documentElement.style.setProperty("--timeline", `${bounded}px`);
    bar.setAttribute("aria-valuenow", String(bounded));
    localStorage.setItem(HEIGHT_KEY, String(bounded));
  };
  const kept = Number(localStorage.getItem(HEIGHT_KEY));
  if (kept) set(kept);
  bar.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    bar.setPointerCapture(event.pointerId);
    const [y, height] = [event.clientY, byId("lower").clientHeight];
    const move = (/** @type {PointerEvent} */ now) => set(height + y - now.clientY);
    bar.addEventListener("pointermove", move);
    bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), { once: true });
  });
  bar.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowUp: 24, ArrowDown: -24 }[event.key];
    if (!by) return;
    set(byId("lower").clientHeight + by);
    event.preventDefault();
  });
}

/** Once a frame. */
function showTime() {
  const text = timecode(clock.time());
  if (byId("timecode").textContent !== text) byId("timecode").textContent = text;
}
