/** The speakers of a recording that is taken apart: who there are, who is worked on, and what can be done with them. */

import { post } from "./api.js";
import { announce, complain } from "./notices.js";
import { expectJob, refresh, startJob } from "./session.js";
import { store } from "./store.js";

/** @typedef {{name: string, active: boolean, face: string, turns: [number, number][], segments: import("./store.js").Segment[], envelope: [number, number][]}} Speaker */

/** @returns {Speaker[]} in the order of their lanes; none where the recording is one */
export const speakers = () => store.state?.speakers ?? [];

/** @returns {Speaker | undefined} whose document is edited */
export const activeSpeaker = () => speakers().find((speaker) => speaker.active);

/** @returns {string} what changes when lanes are to be arranged again */
export const speakersKey = () => speakers().map((speaker) => `${speaker.active ? "*" : ""}${speaker.name}`).join("\n");

/** @param {Record<string, string>} change see the server's `api/speaker` @param {string} said when it is done */
async function change(change, said) {
  try {
    const reply = await post("speaker", change);
    if (reply.job) return expectJob(reply.job, "merging two speakers");
    await refresh();
    announce(said);
  } catch (error) {
    complain(error);
    store.changed("state");
  }
}

/** @param {string} name work on this speaker */
export async function activate(name) {
  if (activeSpeaker()?.name !== name) await change({ op: "activate", name }, `${name} is edited now`);
}

/** Work on the next speaker; after the last, the first again. */
export function nextSpeaker() {
  const all = speakers();
  if (all.length) activate(all[(all.findIndex((speaker) => speaker.active) + 1) % all.length].name);
}

/** @param {string} name @param {string} other */
export const rename = (name, other) => change({ op: "rename", name, other }, `${name} is called ${other}`);

/** @param {string} name @param {string} other exchange what they say */
export const swap = (name, other) => change({ op: "swap", name, other }, `${name} and ${other} are exchanged`);

/** @param {string} name @param {string} other who says all of it afterwards */
export const merge = (name, other) => change({ op: "merge", name, other }, "");

/** @param {string} how auto, channels, or how many */
export const findSpeakers = (how) => startJob("speakers", "finding the speakers", { speakers: how });
