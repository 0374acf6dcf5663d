/** The keyboard: one table, from which the help sheet is made too. */

import { clock } from "./clock.js";
import * as command from "./commands.js";
import { byId, make } from "./dom.js";
import { complain, fillSheet } from "./notices.js";
import { saveProject } from "./saving.js";
import { nextSpeaker } from "./speakers.js";
import { stage } from "./stage/stage.js";
import { toggleCompare, toggleWireframe } from "./stage/view_tools.js";
import { store } from "./store.js";

/** @typedef {{keys: string[], shown: string, about: string, act: (event: KeyboardEvent) => void, repeats?: boolean}} Shortcut */

/** @param {string} keys by spaces, as `mod+shift+z` @param {string} shown @param {string} about @param {(event: KeyboardEvent) => void} act @param {boolean} [repeats] @returns {Shortcut} */
const key = (keys, shown, about, act, repeats = false) => ({ keys: keys.split(" "), shown, about, act, repeats });

/** @type {[string, Shortcut[]][]} */
const TABLE = [
  ["Play", [
    key("space", "Space", "Play or pause", () => clock.toggle().catch(complain)),
    key("j", "J", "Backwards; again: faster", () => clock.push(-1)),
    key("k", "K", "Pause", () => clock.pause()),
    key("l", "L", "Forwards; again: faster", () => clock.push(1)),
    key("arrowleft", "←", "A frame back", () => command.stepFrames(-1), true),
    key("arrowright", "→", "A frame on", () => command.stepFrames(1), true),
    key("shift+arrowleft", "Shift ←", "A second back", () => clock.seek(clock.time() - 1), true),
    key("shift+arrowright", "Shift →", "A second on", () => clock.seek(clock.time() + 1), true),
    key("home", "Home", "To the start", () => clock.seek(0)),
    key("end", "End", "To the end", () => clock.seek(store.duration)),
  ]],
  ["Segments", [
    key("arrowup", "↑", "Previous segment", () => command.nextSegment(-1), true),
    key("arrowdown", "↓", "Next segment", () => command.nextSegment(1), true),
    key("u", "U", "Next segment in doubt", command.nextDoubtful, true),
    key("1 2 3 4 5 6 7", "1 – 7", "Neutral, happy, sad, angry, fear, disgust, surprise", (event) => command.relabel(Number(event.key) - 1)),
    key("p", "P", "Next speaker", nextSpeaker),
    key("s", "S", "Split at the cursor", command.split),
    key("m", "M", "Merge with the next", command.merge),
    key("r", "R", "Back to the prediction", command.resetSegment),
    key("alt+arrowleft", "Alt ←", "End a frame earlier", () => command.nudgeEdge("end", -1), true),
    key("alt+arrowright", "Alt →", "End a frame later", () => command.nudgeEdge("end", 1), true),
    key("alt+shift+arrowleft", "Alt Shift ←", "Start a frame earlier", () => command.nudgeEdge("start", -1), true),
    key("alt+shift+arrowright", "Alt Shift →", "Start a frame later", () => command.nudgeEdge("start", 1), true),
    key(",", ",", "Less intensity", () => command.nudgeIntensity(-0.05), true),
    key(".", ".", "More intensity", () => command.nudgeIntensity(0.05), true),
  ]],
  ["Edit", [
    key("mod+z", "Ctrl Z", "Undo", command.undo, true),
    key("mod+shift+z mod+y", "Ctrl Shift Z", "Redo", command.redo, true),
    key("v", "V", "Tool: select and drag", () => command.useTool("select")),
    key("d", "D", "Tool: draw intensity", () => command.useTool("draw")),
    key("n", "N", "Snap to pauses", command.toggleSnap),
    key("mod+s", "Ctrl S", "Save the project", () => saveProject()),
  ]],
  ["View", [
    key("+ =", "+", "Zoom in", () => command.zoom(1.5), true),
    key("- _", "−", "Zoom out", () => command.zoom(1 / 1.5), true),
    key("shift+f", "Shift F", "The whole recording", command.zoomFit),
    key("z", "Z", "Zoom to the segment or region", command.zoomSelection),
    key("f", "F", "Follow the cursor", command.toggleFollow),
    key("0", "0", "Reset the camera", () => stage.resetView()),
    key("w", "W", "Wireframe", toggleWireframe),
    key("c", "C", "Compare: keep the present state as B", toggleCompare),
  ]],
  ["Loop", [
    key("[", "[", "Loop starts at the cursor", () => command.markRegion("start")),
    key("]", "]", "Loop ends at the cursor", () => command.markRegion("end")),
    key("\\ o", "\\", "Loop on or off", command.toggleLoop),
    key("escape", "Esc", "No region, nothing chosen", command.clearSelection),
  ]],
  ["Help", [key("? f1", "?", "This sheet", () => openHelp())]],
];

/** @param {KeyboardEvent} event @returns {string} as in the table; what AltGr (on Windows Ctrl and Alt) or Option makes is a character like any */
function nameOf(event) {
  const plain = event.key === " " ? "space" : event.key.toLowerCase();
  const symbol = plain.length === 1 && !/[a-z0-9]/.test(plain);
  const mod = (event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph");
  const parts = [mod ? "mod" : "", event.altKey && !symbol ? "alt" : "", event.shiftKey && !symbol ? "shift" : "", plain];
  return parts.filter(Boolean).join("+");
}

/** @type {EventTarget | null} the field in which something is typed that is not taken over yet: undo is about that */
let typedIn = null;

/** @param {EventTarget | null} target @param {string} name @returns {boolean} whether the key belongs to the field that has the focus */
function taken(target, name) {
  const element = /** @type {HTMLElement} */ (target);
  if (!element?.matches) return false;
  if (/^mod\+(shift\+)?[zy]$/.test(name) && (element.matches("textarea") || element === typedIn)) return true;
  if (element.matches("input[type=text], input[type=number], textarea, select")) return !name.startsWith("mod+");
  if (element.matches("input[type=range]")) return /arrow|home|end/.test(name);
  if (element.matches("[role=tab], [role=radio], [role=menuitem], [role=separator]")) return /arrow|home|end|space/.test(name);
  if (element.matches("#stage-canvas")) return /^arrow/.test(name);
  return name === "space" && element.matches("button, a, input, summary");
}

/** Follow the keyboard. */
export function startShortcuts() {
  /** @type {Map<string, Shortcut>} */
  const table = new Map();
  for (const [, rows] of TABLE) for (const row of rows) for (const name of row.keys) table.set(name, row);
  addEventListener("input", (event) => { if (/** @type {HTMLElement} */ (event.target).matches("[type=text], [type=number]")) typedIn = event.target; });
  for (const end of ["change", "focusout"]) addEventListener(end, () => { typedIn = null; });
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const name = nameOf(event);
    const found = table.get(name);
    if (!found || taken(event.target, name) || (event.repeat && !found.repeats)) return;
    event.preventDefault();
    found.act(event);
  });
  byId("help-open").addEventListener("click", openHelp);
}

/** The sheet of shortcuts. */
function openHelp() {
  const apple = /Mac|iP/.test(navigator.platform);
  const sections = TABLE.map(([title, rows]) =>
    make("section", {}, make("h3", { text: title }), make("ul", {}, ...rows.map((row) =>
      make("li", {}, make("span", { text: row.about }), make("kbd", { text: apple ? row.shown.replace("Ctrl", "⌘").replace("Alt", "⌥") : row.shown })),
    ))),
  );
  const mouse = make("section", {}, make("h3", { text: "Mouse and fingers" }), make("ul", {}, ...[
    ["Seek", "Click"], ["Mark a region", "Drag over the sound"], ["Scrub", "Drag over the ruler"], ["Edge, segment, point", "Drag"],
    ["Without snapping", "Alt drag"], ["Menu of a segment", "Right click"], ["Remove a point", "Alt click"],
    ["Set a slider back", "Double click, Del"], ["Scroll", "Wheel"], ["Zoom", "Ctrl wheel, pinch"],
  ].map(([about, shown]) => make("li", {}, make("span", { text: about }), make("kbd", { text: shown })))));
  const sheet = byId("help");
  fillSheet(sheet, "Keyboard", make("div", { class: "keys" }, ...sections, mouse));
  sheet.showModal();
}
