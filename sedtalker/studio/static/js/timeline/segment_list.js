/** The segments for keyboard and screen reader: a listbox as wide as the canvas, an option a segment. */

import { byId, capital, make } from "../dom.js";
import { byHand, store } from "../store.js";
import { view } from "./view.js";

/** @param {number} index @returns {string} a segment in words */
export function describeSegment(index) {
  const segment = store.segments[index];
  const sure = byHand(segment) ? `, set by hand, predicted ${segment.base_label}` : `, confidence ${Math.round(segment.confidence * 100)} percent`;
  return `${capital(segment.label)}, ${segment.start.toFixed(2)} to ${segment.end.toFixed(2)} seconds, intensity ${segment.intensity.toFixed(2)}${sure}${segment.uncertain ? ", in doubt" : ""}. Segment ${index + 1} of ${store.segments.length}`;
}

/** Keep the options the same as the segments. */
export function updateSegmentList() {
  const list = byId("segments");
  while (list.children.length > store.segments.length) list.lastElementChild.remove();
  while (list.children.length < store.segments.length) list.append(make("div", { role: "option", id: `segment-${list.children.length}` }));
  store.segments.forEach((_, i) => {
    const option = list.children[i];
    const text = describeSegment(i);
    if (option.textContent !== text) option.textContent = text;
    option.setAttribute("aria-selected", String(i === store.selected));
  });
  if (store.selected >= 0) list.setAttribute("aria-activedescendant", `segment-${store.selected}`);
  else list.removeAttribute("aria-activedescendant");
  const lane = view.lane("emotion");
  if (lane) list.style.cssText = `top:${lane.top}px;height:${lane.height}px`;
}
