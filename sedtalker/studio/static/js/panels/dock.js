/** Docks: a row of tabs and the panel of the chosen one. */

import { byId, freshId, icon, make } from "../dom.js";
import { store } from "../store.js";

/** @typedef {{name: string, title: string, build: (panel: HTMLElement) => void, needsAudio?: boolean}} Tab */

/**
 * @param {string} id of the dock
 * @param {string} title for screen readers
 * @param {Tab[]} tabs the first is shown
 */
export function startDock(id, title, tabs) {
  const row = make("div", { class: "tabs", role: "tablist", "aria-label": title });
  const parts = tabs.map((tab) => {
    const [button, panel] = [freshId("tab"), freshId("panel")];
    return {
      button: make("button", { role: "tab", id: button, "aria-controls": panel, text: tab.title, "data-tab": tab.name }),
      panel: make("div", { role: "tabpanel", id: panel, "aria-labelledby": button, class: "panel", tabindex: "0", hidden: true, "data-panel": tab.name }),
    };
  });
  let open = -1;
  const show = (/** @type {number} */ index) => {
    open = index;
    parts.forEach(({ button, panel }, i) => {
      button.setAttribute("aria-selected", String(i === index));
      button.tabIndex = i === index ? 0 : -1;
      panel.hidden = i !== index;
    });
  };
  parts.forEach(({ button, panel }, i) => {
    tabs[i].build(panel);
    button.addEventListener("click", () => show(i));
    if (tabs[i].needsAudio) store.on("state", () => panel.toggleAttribute("inert", !store.hasAudio));
  });
  row.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = event.key === "Home" ? 0 : event.key === "End" ? parts.length - 1 : by ? (open + by + parts.length) % parts.length : -1;
    if (next < 0) return;
    show(next);
    parts[next].button.focus();
    event.preventDefault();
  });
  row.append(...parts.map(({ button }) => button));
  byId(id).append(row, ...parts.map(({ panel }) => panel));
  show(0);
}

/**
 * A part of a panel under a heading.
 * @param {string} title
 * @param {...Node} children
 */
export const block = (title, ...children) => make("section", { class: "block" }, make("h2", { text: title }), ...children);

/** @param {string} name of a file that is open @param {string} note what is in it @returns {HTMLElement} */
export const source = (name, note) => make("div", { class: "source" }, icon("file"), make("strong", { text: name, title: name }), make("span"), make("small", { text: note }));
