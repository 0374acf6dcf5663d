/** Small pieces of the document object model. */

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * An element with attributes and children; `on…` attributes are event handlers, `text` is its text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name of a symbol in index.html @returns {SVGElement} */
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  picture.append(use);
  return /** @type {any} */ (picture);
}

/** @param {HTMLElement} button @param {string} name */
export function setIcon(button, name) {
  button.querySelector("use")?.setAttribute("href", `#icon-${name}`);
}

/** @param {HTMLElement} element @param {boolean} on */
export const press = (element, on) => element.setAttribute("aria-pressed", String(on));

/** @param {HTMLElement} button @param {boolean} on whether it can be used; one that cannot keeps the focus, so that Tab goes on from it */
export const enable = (button, on) => button.setAttribute("aria-disabled", String(!on));
addEventListener("click", (event) => {
  if (/** @type {Element} */ (event.target).closest?.("[aria-disabled=true]")) event.stopImmediatePropagation();
}, { capture: true });

/** @param {string} colour @returns {HTMLElement} a small square of it */
export const swatch = (colour) => make("span", { class: "swatch", style: `--swatch:${colour}` });

let ids = 0;
/** @param {string} prefix @returns {string} an id that nothing else has */
export const freshId = (prefix) => `${prefix}-${++ids}`;

/** @param {number} seconds @param {number} [digits] @returns {string} 01:02.345 */
export function timecode(seconds, digits = 3) {
  const safe = Math.max(0, Number.isFinite(seconds) ? seconds : 0);
  const rounded = Math.round(safe * 10 ** digits) / 10 ** digits;
  const minutes = Math.floor(rounded / 60);
  const rest = (rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return `${String(minutes).padStart(2, "0")}:${rest}`;
}

/** @param {number} bytes @returns {string} */
export function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** @param {number} x @param {number} low @param {number} high */
export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/** @param {string} kind of a vocal burst @returns {string} what it is called */
export const burstName = (kind) => (kind === "other" ? "burst" : kind);

/** @param {string} text @returns {string} with a capital first letter */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Ask for a file of the user's.
 * @param {string} accept
 * @param {(file: File) => void} chosen
 */
export function chooseFile(accept, chosen) {
  const input = make("input", { type: "file", accept, hidden: true, tabindex: "-1" });
  input.addEventListener("change", () => {
    if (input.files?.length) chosen(input.files[0]);
    input.remove();
  });
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input);
  input.click();
}
