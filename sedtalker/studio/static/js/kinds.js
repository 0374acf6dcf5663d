/** Tracks, words and heads, by the endings of names that the server reads. */

import { store } from "./store.js";

/** @param {"track" | "words" | "mesh"} sort @returns {string[]} the endings of its files */
export const endings = (sort) => store.state?.options?.suffixes?.[sort] ?? [];

/** @param {string} name @returns {string | undefined} what a file is, if it is one; where both end so, the server looks into it */
export function sortOfAnnotation(name) {
  const ends = (/** @type {"track" | "words" | "mesh"} */ sort) => endings(sort).some((end) => name.toLowerCase().endsWith(end));
  if (ends("track")) return ends("words") ? "annotation" : "track";
  return ends("words") ? "words" : ends("mesh") ? "mesh" : undefined;
}
