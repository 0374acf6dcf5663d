/** What the page says: toasts, the log, banners, and the live region of screen readers. */

import { byId, icon, make, timecode } from "./dom.js";

/** @type {{at: number, level: string, text: string}[]} */
const lines = [];
const opened = performance.now();
const MOST_LINES = 500;

/** @param {string} text @param {"info" | "bad"} [level] a line of the log */
export function log(text, level = "info") {
  lines.push({ at: (performance.now() - opened) / 1000, level, text });
  if (lines.length > MOST_LINES) lines.shift();
  const sheet = byId("log");
  if (sheet?.open) fillLog(sheet);
}

/** @param {string} text said by screen readers */
export function announce(text) {
  const region = byId("announce");
  region.textContent = "";
  // A region that is emptied first is read out again when the text is the same.
  setTimeout(() => { region.textContent = text; }, 30);
}

/**
 * @param {string} text
 * @param {"info" | "bad"} [level] what is bad stays until it is closed
 */
export function toast(text, level = "info") {
  log(text, level);
  const box = byId("toasts");
  if ([...box.children].some((old) => old.querySelector("p")?.textContent === text)) return;
  const close = make("button", { class: "icon", "aria-label": "Close", onclick: () => note.remove() }, icon("close"));
  const note = make("div", { class: "toast", "data-level": level, role: level === "bad" ? "alert" : "status" }, make("p", { text }), close);
  box.append(note);
  while (box.children.length > 4) box.firstElementChild.remove();
  if (level !== "bad") setTimeout(() => note.remove(), 5000);
}

/** @param {unknown} error */
export function complain(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const text = error instanceof Error ? error.message : String(error);
  toast(text, "bad");
}

/**
 * A line across the page, with what can be done about it.
 * @param {string} id
 * @param {string} text
 * @param {[string, () => void][]} actions
 * @param {"info" | "bad"} [level]
 */
export function banner(id, text, actions, level = "info") {
  dropBanner(id);
  const buttons = actions.map(([name, act]) => make("button", { text: name, onclick: act }));
  byId("banners").append(
    make("div", { class: "banner", id: `banner-${id}`, "data-level": level, role: level === "bad" ? "alert" : "status" }, make("p", { text }), ...buttons),
  );
}

/** @param {string} id */
export const dropBanner = (id) => byId(`banner-${id}`)?.remove();

/** @param {HTMLElement} sheet */
function fillLog(sheet) {
  const list = sheet.querySelector(".log-lines");
  if (!list) return;
  const shown = lines.length ? lines : [{ at: 0, level: "info", text: "Nothing yet." }];
  list.replaceChildren(...shown.map((line) => make("li", { "data-level": line.level, text: `${timecode(line.at, 1)}  ${line.text}` })));
  list.lastElementChild?.scrollIntoView({ block: "nearest" });
}

/**
 * Fill a dialog with a title, a close button and a body.
 * @param {HTMLDialogElement} sheet
 * @param {string} title
 * @param {...Node} body
 */
export function fillSheet(sheet, title, ...body) {
  const close = make("button", { class: "icon", "aria-label": "Close", onclick: () => sheet.close() }, icon("close"));
  sheet.replaceChildren(
    make("header", {}, make("h2", { id: `${sheet.id}-title`, text: title }), close),
    make("div", { class: "body" }, ...body),
  );
}

/** Show the log. */
export function openLog() {
  const sheet = byId("log");
  fillSheet(sheet, "Log", make("ol", { class: "log-lines" }));
  sheet.showModal();
  fillLog(sheet);
}

/**
 * Ask something.
 * @param {string} title
 * @param {Record<string, string>} actions what can be done, and what each is called; the first is the usual one
 * @param {...Node} body
 * @returns {Promise<string>} the action; empty: none, or another question is open
 */
function ask(title, actions, ...body) {
  const sheet = byId("ask");
  if (sheet.open) return Promise.resolve("");
  const buttons = Object.entries(actions).map(([value, text], i) => make("button", { value, class: i ? null : "primary", autofocus: !i, text }));
  fillSheet(sheet, title, make("form", { method: "dialog", class: "block" }, ...body, make("div", { class: "row" }, ...buttons)));
  sheet.returnValue = "";
  sheet.showModal();
  return new Promise((resolve) => sheet.addEventListener("close", () => resolve(sheet.returnValue), { once: true }));
}

/**
 * Ask which of some things to do.
 * @param {{title: string, text: string, actions: Record<string, string>}} question see `ask`
 */
export const askChoice = ({ title, text, actions }) => ask(title, actions, make("p", { text }));

/**
 * Ask for one line of text.
 * @param {{title: string, label: string, value: string, note: string, action: string}} question
 * @returns {Promise<string>} empty: none
 */
export async function askText({ title, label, value, note, action }) {
  const input = make("input", { type: "text", value, id: "ask-input", spellcheck: "false", style: "width:100%" });
  const asked = ask(title, { done: action }, make("label", { for: "ask-input", text: label }), input, make("p", { class: "note", text: note }));
  input.focus();
  input.select();
  return (await asked) && input.value.trim();
}
