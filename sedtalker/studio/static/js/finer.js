/** Fine-grained emotions: curves of the track that no edit changes. Which there are, and which are drawn. */

import { remove } from "./api.js";
import { complain } from "./notices.js";
import { refresh, startJob } from "./session.js";
import { extras } from "./signals.js";
import { store } from "./store.js";

/** @typedef {{name: string, peak: number, category: string | null, column: number}} Curve */

/** Curves that are drawn at first: those with the greatest peaks. */
const FIRST = 3;
/** Curves that are drawn at most; more rows leave no room for the head. */
export const MOST = 6;

/** @type {{number: string, curves: Curve[], drawn: string[], top: number}} */
const held = { number: "", curves: [], drawn: [], top: 1 };

/** @returns {Curve[]} all curves, the greatest peak first */
export const finerCurves = () => held.curves;

/** @returns {Curve[]} those that are drawn, the greatest peak first */
export const drawnCurves = () => held.curves.filter((curve) => held.drawn.includes(curve.name));

/** The value that the rows reach to: the greatest peak of those that are drawn, by tenths. */
export const finerTop = () => held.top;

/** @param {string} name @param {boolean} on draw it, or do not */
export function drawCurve(name, on) {
  held.drawn = held.drawn.filter((other) => other !== name);
  if (on && held.drawn.length < MOST) held.drawn.push(name);
  arrange();
}

function arrange() {
  const peak = Math.max(0, ...drawnCurves().map((curve) => curve.peak));
  held.top = Math.min(1, Math.max(0.1, Math.ceil(peak * 10 - 1e-6) / 10));
  store.changed("finer");
}

/** Kind of the job that finds them. */
export const FINDING = "fine-grained emotions";

/** Find them in the recording. */
export const findFiner = () => startJob("finer", FINDING);

/** The track has no further curves any more. */
export const dropFiner = () => remove("finer").then(refresh).catch(complain);

/** Follow what the server has. */
export function startFiner() {
  store.on("state", async () => {
    const { number, curves } = store.state?.finer ?? { number: 0, curves: [] };
    const key = `${store.state?.audio?.id ?? ""} ${number} ${store.hasAudio}`;
    if (key === held.number) return;
    held.number = key;
    const sorted = curves.map((/** @type {Curve} */ curve, /** @type {number} */ column) => ({ ...curve, column })).sort((/** @type {Curve} */ a, /** @type {Curve} */ b) => b.peak - a.peak);
    try {
      if (store.hasAudio && sorted.length) await extras.load(null);
      else extras.clear();
    } catch (error) {
      held.number = "";
      complain(error);
      return;
    }
    const names = new Set(sorted.map((/** @type {Curve} */ curve) => curve.name));
    const kept = held.drawn.filter((name) => names.has(name));
    held.curves = sorted;
    held.drawn = kept.length ? kept : sorted.slice(0, FIRST).map((/** @type {Curve} */ curve) => curve.name);
    arrange();
  });
}
