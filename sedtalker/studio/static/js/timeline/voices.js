/** Lanes of speakers: a strip with the turns of each, and of those who are not worked on segments and intensity. */

import { speakers } from "../speakers.js";
import { store } from "../store.js";
import { token } from "../theme.js";
import { drawGrid, faded, ink, inside } from "./ink.js";
import { OTHER_ROW, TURNS_ROW, view } from "./view.js";

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {import("./view.js").Lane} Lane */

/** Pixels of the bar of segments in that lane. */
const BAR = 11;

/** @returns {number} pixels that the lanes of speakers need beside those of one recording */
export const roomOfSpeakers = () => (speakers().length ? speakers().length * TURNS_ROW + (speakers().length - 1) * OTHER_ROW : 0);

/** @param {Context} c @param {Lane} lane what is between the turns of a speaker recedes @param {number} [skip] pixels at the top that do not */
export function shadeSilence(c, lane, skip = 0) {
  const turns = speakers()[lane.speaker]?.turns;
  if (!turns) return;
  c.fillStyle = ink.sunk;
  c.globalAlpha = 0.62;
  let from = 0;
  for (const [start, end] of [...turns, [store.duration, store.duration]]) {
    if (start > from) c.fillRect(view.x(from), lane.top + skip, (start - from) * view.scale, lane.height - 1 - skip);
    from = end;
  }
  c.globalAlpha = 1;
}

/** @param {Context} c @param {Lane} lane */
export function drawTurns(c, lane) {
  const speaker = speakers()[lane.speaker];
  if (!speaker) return;
  c.fillStyle = ink.panel;
  c.fillRect(0, lane.top, view.width, lane.height);
  c.fillStyle = speaker.active ? ink["accent-text"] : ink["line-strong"];
  for (const [start, end] of speaker.turns) {
    if (end < view.start || start > view.end) continue;
    c.beginPath();
    c.roundRect(view.x(start), lane.top + 6, Math.max((end - start) * view.scale, 2), lane.height - 12, 3);
    c.fill();
  }
  if (view.heads) return;
  c.font = `500 11px ${token("--font")}`;
  c.textBaseline = "middle";
  const wide = c.measureText(speaker.name).width + 10;
  c.fillStyle = ink.panel;
  c.fillRect(0, lane.top, wide, lane.height - 1);
  c.fillStyle = ink.text;
  c.fillText(speaker.name, 5, lane.top + lane.height / 2);
}

/** @param {Context} c @param {Lane} lane */
export function drawOther(c, lane) {
  const speaker = speakers()[lane.speaker];
  if (!speaker) return;
  drawGrid(c, lane);
  const foot = lane.top + lane.height - 3;
  const tall = lane.height - BAR - 8;
  const area = new Path2D();
  area.moveTo(view.x(0), foot);
  for (const [t, value] of speaker.envelope) area.lineTo(view.x(t), foot - value * tall);
  area.lineTo(view.x(store.duration), foot);
  for (const segment of speaker.segments) {
    if (segment.end < view.start || segment.start > view.end) continue;
    const [x, wide] = [view.x(segment.start), Math.max((segment.end - segment.start) * view.scale - 1, 1)];
    c.fillStyle = store.colour(segment.label);
    c.fillRect(x, lane.top + 2, wide, BAR - 2);
    c.fillStyle = faded(store.colour(segment.label), 0.5);
    inside(c, [x, lane.top + BAR, wide + 1, lane.height - BAR], () => c.fill(area));
  }
  shadeSilence(c, lane);
}
