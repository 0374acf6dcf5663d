/** The menu of a segment: its emotion, split, merge, back to what was predicted. */

import { clock } from "../clock.js";
import { byId, capital, make } from "../dom.js";
import { edit } from "../session.js";
import { store } from "../store.js";

/** @type {HTMLElement | null} where the focus was */
let from = null;

function close() {
  const menu = byId("menu");
  if (menu.hidden) return;
  menu.hidden = true;
  from?.focus({ preventScroll: true });
}

/** @param {number} index of the segment @param {number} x @param {number} y where on the page */
export function openLabelMenu(index, x, y) {
  const segment = store.segments[index];
  if (!segment) return;
  const menu = byId("menu");
  from = /** @type {HTMLElement | null} */ (document.activeElement);
  const item = (/** @type {string} */ text, /** @type {string} */ key, /** @type {() => void} */ act, /** @type {any} */ swatch = null) =>
    make("button", { role: "menuitem", onclick: () => { close(); act(); } }, swatch, make("span", { text }), make("kbd", { text: key }));
  const labels = store.labels.map((label, i) =>
    item(capital(label), String(i + 1), () => edit({ op: "relabel", index, label }), make("span", { class: "swatch", style: `--swatch:${store.colour(label)}` })),
  );
  const time = clock.time();
  const others = [];
  if (time > segment.start + 0.02 && time < segment.end - 0.02) others.push(item("Split at the cursor", "S", () => edit({ op: "split", t: time })));
  if (index < store.segments.length - 1) others.push(item("Merge with the next", "M", () => edit({ op: "merge", index })));
  others.push(item("Back to the prediction", "R", () => edit({ op: "reset", index })));
  menu.replaceChildren(...labels, make("hr"), ...others);
  menu.hidden = false;
  const box = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(6, Math.min(x, innerWidth - box.width - 6))}px`;
  menu.style.top = `${Math.max(6, Math.min(y + 4, innerHeight - box.height - 6))}px`;
  const current = store.labels.indexOf(segment.label);
  menu.querySelectorAll("button")[Math.max(current, 0)]?.focus();
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
    else if (/^[1-7]$/.test(event.key)) items[Number(event.key) - 1]?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
