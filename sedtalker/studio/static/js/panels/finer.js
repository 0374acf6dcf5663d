/** The tab of fine-grained emotions: find them, choose which are drawn, and see what each is at the cursor. */

import { clock } from "../clock.js";
import { capital, enable, make } from "../dom.js";
import { drawCurve, drawnCurves, dropFiner, FINDING, findFiner, finerCurves, finerTop, MOST } from "../finer.js";
import { extras } from "../signals.js";
import { store } from "../store.js";

/** Milliseconds between two looks at the cursor. */
const PAUSE = 50;

/** @type {Map<string, {row: HTMLElement, box: HTMLInputElement, meter: HTMLElement, output: HTMLElement, column: number, value: number}>} */
const rows = new Map();
let filter = "";

/** @param {import("../finer.js").Curve} curve */
function makeRow({ name, category, column }) {
  const box = make("input", { type: "checkbox", "aria-label": `Draw ${name}` });
  box.addEventListener("change", () => drawCurve(name, box.checked));
  const meter = make("i");
  const output = make("output", { "aria-label": `${capital(name)} at the cursor`, "aria-live": "off" });
  const colour = category ? store.colour(category) : "var(--wave)";
  const row = make("li", { class: "finer", "data-kind": name }, make("label", {}, box, make("span", { text: name, title: name })), make("div", { class: "meter", style: `--swatch:${colour}` }, meter), output);
  return { row, box, meter, output, column, value: -1 };
}

/** @param {HTMLElement} panel */
export function buildFiner(panel) {
  const find = make("button", { class: "primary wide", text: "Find fine-grained emotions", onclick: findFiner });
  const none = make("section", { class: "block" }, make("h2", { text: "Fine-grained emotions" }),
    make("p", { class: "note", text: "A curve for each of thirty kinds, such as awe, relief or contempt. They are hints, not labels: the right kind of thirty is on top in about a quarter of laughs, sighs and cries. Segments and the face stay as they are." }), find);
  const search = make("input", { type: "text", placeholder: "Search, e.g. relief", "aria-label": "Search fine-grained emotions by name", style: "flex:1;min-width:0" });
  const about = make("p", { class: "note" });
  const empty = make("p", { class: "note", text: "No kind has such a name.", hidden: true });
  const list = make("ul", { class: "finer-list", "aria-label": "Fine-grained emotions, the strongest first" });
  const drop = make("button", { class: "link", text: "Remove", title: "The track has no fine-grained emotions any more", onclick: dropFiner });
  const some = make("section", { class: "block", hidden: true }, make("h2", {}, "Fine-grained emotions", drop), about, make("div", { class: "row" }, search), list, empty);
  panel.append(none, some);
  store.on("frame", () => { if (!panel.hidden) showFiner(); }); // the bars live only while they are seen
  search.addEventListener("input", () => {
    filter = search.value.trim().toLowerCase();
    for (const [name, { row }] of rows) row.hidden = !name.toLowerCase().includes(filter);
    empty.hidden = [...rows.values()].some(({ row }) => !row.hidden);
  });
  const renew = () => {
    const running = store.job(FINDING);
    enable(find, !running && store.hasAudio);
    find.textContent = running ? "Finding them …" : "Find fine-grained emotions";
  };
  store.on("state jobs", renew);
  store.on("finer", () => {
    const curves = finerCurves();
    none.hidden = curves.length > 0;
    some.hidden = !curves.length;
    if (curves.map((curve) => curve.name).join() !== [...rows.keys()].join()) {
      rows.clear();
      for (const curve of curves) rows.set(curve.name, makeRow(curve));
      list.replaceChildren(...[...rows.values()].map(({ row }) => row));
      search.value = filter = "";
      empty.hidden = true;
    }
    const drawn = drawnCurves();
    for (const { name, column } of curves) {
      const row = rows.get(name);
      row.column = column;
      row.value = -1;
      row.box.checked = drawn.some((curve) => curve.name === name);
      row.box.disabled = !row.box.checked && drawn.length >= MOST;
      row.box.title = row.box.disabled ? `At most ${MOST} are drawn` : "Draw it below valence and arousal";
    }
    about.textContent = `Hints, not labels. Up to ${MOST} are drawn in the timeline, where rows reach to ${finerTop().toFixed(1)}; the bars show the cursor.`;
  });
  renew();
}

let last = 0;
/** Once a frame; the bars twenty times a second. */
function showFiner() {
  if (performance.now() - last < PAUSE) return;
  last = performance.now();
  for (const row of rows.values()) {
    const value = extras.value(clock.time(), row.column);
    if (Math.abs(value - row.value) < 0.002) continue;
    row.value = value;
    row.meter.style.setProperty("--value", Math.min(1, value).toFixed(3));
    row.output.textContent = value.toFixed(2);
  }
}
