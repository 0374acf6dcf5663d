/** The menus of a segment (its emotion, split, merge, back to what was predicted) and of a vocal burst. */

import { clock } from "../clock.js";
import * as command from "../commands.js";
import { burstName, byId, capital, make, swatch } from "../dom.js";
import { edit } from "../session.js";
import { store } from "../store.js";
import { SHORTEST } from "./preview.js";

/** @type {HTMLElement | null} where the focus was */
let from = null;

function close() {
  const menu = byId("menu");
  if (menu.hidden) return;
  menu.hidden = true;
  from?.focus({ preventScroll: true });
}

/** @param {string} text @param {string} key @param {() => void} act @param {HTMLElement} [before] @returns {HTMLElement} */
const item = (text, key, act, before) =>
  make("button", { role: "menuitem", onclick: () => { close(); act(); } }, before, make("span", { text }), key ? make("kbd", { text: key }) : null);

/** @param {string} name for screen readers @param {any[]} items @param {number} x @param {number} y where on the page @param {number} chosen the item that gets the focus */
function open(name, items, x, y, chosen) {
  const menu = byId("menu");
  from = /** @type {HTMLElement | null} */ (document.activeElement);
  menu.setAttribute("aria-label", name);
  menu.replaceChildren(...items);
  menu.hidden = false;
  const box = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(6, Math.min(x, innerWidth - box.width - 6))}px`;
  menu.style.top = `${Math.max(6, Math.min(y + 4, innerHeight - box.height - 6))}px`;
  menu.querySelectorAll("button")[chosen]?.focus();
}

/** @param {number} place of the burst in the document @param {number} x @param {number} y where on the page */
export function openBurstMenu(place, x, y) {
  const burst = store.document?.bursts?.[place];
  if (!burst) return;
  const about = make("p", { class: "note", text: `${burst.start.toFixed(2)} to ${burst.end.toFixed(2)} s, confidence ${burst.confidence.toFixed(2)}` });
  const name = capital(burstName(burst.kind));
  open(name, [make("strong", { text: name }), about, make("hr"), item("Go there", "", () => clock.seek(burst.start)), item(`No ${burstName(burst.kind)}: remove it`, "", () => edit({ op: "remove_burst", index: burst.index }))], x, y, 1);
}

/** @param {number} index of the segment, which is chosen @param {number} x @param {number} y where on the page */
export function openLabelMenu(index, x, y) {
  store.select(index);
  const segment = store.segments[index];
  if (!segment) return;
  const labels = store.labels.map((label, i) => item(capital(label), String(i + 1), () => command.relabel(i), swatch(store.colour(label))));
  const time = clock.time();
  const others = [];
  if (time > segment.start + SHORTEST && time < segment.end - SHORTEST) others.push(item("Split at the cursor", "S", command.split));
  if (index < store.segments.length - 1) others.push(item("Merge with the next", "M", command.merge));
  others.push(item("Back to the prediction", "R", command.resetSegment));
  open("Emotion", [...labels, make("hr"), ...others], x, y, Math.max(store.labels.indexOf(segment.label), 0));
}

/** Closing, and moving by keys. */
export function startLabelMenu() {
  const menu = byId("menu");
  document.addEventListener("pointerdown", (event) => { if (!menu.contains(/** @type {Node} */ (event.target))) close(); });
  menu.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const items = [...menu.querySelectorAll("button")];
    const at = items.indexOf(/** @type {any} */ (document.activeElement));
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key === "ArrowDown") items[(at + 1) % items.length].focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length].focus();
    else if (/^[1-7]$/.test(event.key) && items.length > store.labels.length) items[Number(event.key) - 1]?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
