/** What files are, by the endings of names that the server reads, and by what is in them. */

import { store } from "./store.js";

/** @param {"track" | "words" | "mesh"} sort @returns {string[]} the endings of its files */
export const endings = (sort) => store.state?.options?.suffixes?.[sort] ?? [];

/** @param {string} name @returns {string | undefined} what a file is, if it is one; where both end so, the server looks into it */
function sortOfAnnotation(name) {
  const ends = (/** @type {"track" | "words" | "mesh"} */ sort) => endings(sort).some((end) => name.toLowerCase().endsWith(end));
  if (ends("track")) return ends("words") ? "annotation" : "track";
  return ends("words") ? "words" : ends("mesh") ? "mesh" : undefined;
}

/** What files are, by the ends of their names. */
const KINDS = [
  ["project", /\.sedproject$/i],
  ["track", /\.(emotion\.json|rttm)$/i],
  ["audio", /\.(wav|flac|ogg|opus|mp3|m4a|aac|mp4|webm|mov|aiff?)$/i],
];

/** @param {File} file @returns {Promise<string | undefined>} what it is, a kind of `upload` */
export async function sortOf(file) {
  const known = KINDS.find(([, pattern]) => /** @type {RegExp} */ (pattern).test(file.name))?.[0];
  return /** @type {string | undefined} */ (known ?? (/^(audio|video)\//.test(file.type) ? "audio" : /\.json$/i.test(file.name) ? await sortOfJson(file) : sortOfAnnotation(file.name)));
}

/** @param {File} file @returns {Promise<string>} a JSON file is the words of Whisper or a track */
async function sortOfJson(file) {
  const head = await file.slice(0, 20000).text();
  return /"segments"\s*:[\s\S]*"words"\s*:|"language"\s*:/.test(head) ? "words" : "track";
}
