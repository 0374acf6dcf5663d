/**
 * The conversation with the server: what there is, edits and what they change, jobs.
 *
 * The server is the authority. An edit is sent, its answer is the new document; then only the seconds that it touched
 * are fetched, those around the cursor first.
 */

import { ApiError, getJson, openEvents, post, upload } from "./api.js";
import { busy, whileBusy } from "./busy.js";
import { clock } from "./clock.js";
import { capital } from "./dom.js";
import { sortOf } from "./kinds.js";
import { announce, banner, complain, dropBanner, log, toast } from "./notices.js";
import { leaveWork, showRecovery } from "./saving.js";
import { peaks, track, weights } from "./signals.js";
import { store } from "./store.js";

/** Recordings up to so long are decoded whole. */
const SHORT = 60;
/** Seconds around the cursor that are fetched first after an edit. */
const NEAR = 6;

/** Measured: milliseconds from the end of a gesture to the picture that shows it. */
export const latency = { last: 0, all: /** @type {number[]} */ ([]), pending: /** @type {number | null} */ (null) };

/** @type {{way: string, op: Record<string, any>, started: number, gesture?: string, again?: boolean, done: (ok: boolean) => void}[]} what is to be sent, by the way of the server that takes it */
const queue = [];
let sending = false;
let shownAudio = "";
let shownFace = "";
/** the last state whose recording the server has decoded as a whole */
let decoded = 0;

/** Fetch everything and show it. */
export const refresh = () => whileBusy(takeState);

async function takeState() {
  const state = await getJson("state");
  const [audio, face] = [state.audio?.id ?? "", state.face.id];
  const [newAudio, newFace] = [audio !== shownAudio, face !== shownFace];
  const revision = store.state?.revision;
  if (state.voice !== store.state?.voice) store.selected = -1;
  store.takeDocument(state.document, true);
  store.state = state;
  for (const job of state.jobs) takeJob({ type: "progress", ...job });
  [shownAudio, shownFace] = [audio, face];
  if (newAudio) await takeAudio();
  if (newFace) store.changed("face");
  if (newAudio || newFace || revision !== state.revision) resetWeights();
  store.select(Math.min(store.selected, store.segments.length - 1));
  store.changed("state", "document");
  showRecovery(state.recovery, refresh);
  if (store.hasAudio && !newAudio && revision !== state.revision) await track.load(null).then(() => store.changed("track"));
  fillWeights();
}

/** Show another recording. */
async function takeAudio() {
  store.selected = -1;
  store.region = null;
  store.loop = false;
  if (!store.hasAudio) {
    clock.audio.removeAttribute("src");
    store.changed("audio", "track");
    return;
  }
  clock.load(`api/audio.wav?v=${Date.now()}`);
  await Promise.all([peaks.load(store.duration), track.load(null)]);
  store.changed("audio", "track");
}

function resetWeights() {
  weights.a.reset(store.duration);
  weights.b.reset(store.duration);
  store.changed("weights");
}

/** Fetch in the background what of the face is missing. */
function fillWeights() {
  if (!store.hasAudio) return;
  const arrived = () => store.changed("weights");
  weights.a.fill(() => clock.time(), arrived, () => decoded >= store.state.revision).catch(complain);
  if (store.state.compare) weights.b.fill(() => clock.time(), arrived, () => true).catch(complain);
}

/**
 * Change the document.
 * @param {Record<string, any>} op see the server's edits
 * @param {{gesture?: string, started?: number}} [options] edits of one gesture are one step of undo; `started` is when the user let go
 * @returns {Promise<boolean>} whether the server took it
 */
export function edit(op, { gesture, started = performance.now() } = {}) {
  const last = queue[queue.length - 1];
  return new Promise((done) => {
    if (gesture && last?.gesture === gesture) {
      last.done(true);
      queue[queue.length - 1] = { way: "edit", op: mergeSettings(last.op, op), started, gesture, done };
    } else {
      queue.push({ way: "edit", op, started, gesture, done });
    }
    send();
  });
}

/** @param {"undo" | "redo"} which @returns {Promise<void>} when the server has answered */
export async function step(which) {
  const ok = new Promise((done) => queue.push({ way: which, op: {}, started: performance.now(), done }));
  send();
  if (await ok) announce(which === "undo" ? "Undone" : "Redone");
}

/** @param {Record<string, any>} old @param {Record<string, any>} next @returns {Record<string, any>} both in one where they are settings */
const mergeSettings = (old, next) => (next.op === "settings" && old.op === "settings" ? { ...old, ...next } : next);

/** @returns {boolean} whether edits or steps wait for the server: what can be undone is known only then */
export const waiting = () => sending || queue.length > 0;

const send = () => (sending ? null : whileBusy(sendQueue).catch(complain));

async function sendQueue() {
  sending = true;
  // What is fetched in the background waits, so that the edit does not wait for it.
  weights.a.filling = weights.b.filling = null;
  try {
    while (queue.length) {
      const item = queue.shift();
      const { way, op, started, gesture, done } = item;
      // Segments are named by their place in the list, so the server takes an edit only of the list that is shown.
      const shown = op.op === "settings" ? {} : { revision: store.state.revision };
      try {
        const reply = await post(way, { ...op, ...shown, gesture });
        // A step may be about another speaker, about who there are, or about other words.
        if (reply.voice !== store.state.voice || reply.base !== store.state.base) await takeState();
        else takeEdit(reply);
        done(true);
        // A slider that is still moving is followed; other edits that wait are shown together.
        if (!queue.length || gesture) await fetchChanged(started);
      } catch (error) {
        const status = error instanceof ApiError ? error.status : -1;
        if (status === 0 || (status === 409 && way === "edit" && !item.again)) {
          // It is sent again when the server is back, and the preview stays; or now, where its segments are the same.
          queue.unshift({ ...item, again: status === 409 });
          if (status === 0) return;
          await catchUp();
          continue;
        }
        done(false);
        complain(error);
        store.document = store.state?.document ?? null;
        store.changed("document");
      }
    }
    fillWeights();
  } finally {
    sending = false;
  }
}

/** @returns {string} what waiting edits are about */
const editedPart = () => JSON.stringify([store.state?.voice, ...(store.state?.document?.segments ?? []).map((/** @type {any} */ one) => [one.start, one.end, one.label])]);

/** Fetch everything; edits that wait go on where their segments are still the same, settings where the speaker is. */
async function catchUp() {
  const [before, voice] = [editedPart(), store.state?.voice];
  await refresh();
  const stays = (/** @type {any} */ { op }) => editedPart() === before || (op.op === "settings" && store.state?.voice === voice);
  const lost = queue.filter((item) => !stays(item));
  if (!lost.length) return;
  queue.splice(0, Infinity, ...queue.filter(stays));
  for (const { done } of lost) done(false);
  toast("The segments have changed meanwhile, as in another window, so your edit was not made. Look at them, and make it again.", "bad");
}

/** @type {[number, number] | null} seconds of the track, of the weights, that edits touched and that are not fetched yet */
let dirtyTrack = null;
/** @type {[number, number] | null} */
let dirtyWeights = null;

/** @param {[number, number] | null} a @param {[number, number] | null} b @returns {[number, number] | null} */
const union = (a, b) => (a && b ? [Math.min(a[0], b[0]), Math.max(a[1], b[1])] : a ?? b);

/** @param {any} reply of edit, undo or redo */
function takeEdit(reply) {
  const { changed, decoded, ...rest } = reply;
  store.takeDocument(reply.document);
  Object.assign(store.state, rest);
  store.changed("document", "history");
  if (!changed) return;
  dirtyTrack = union(dirtyTrack, changed);
  dirtyWeights = union(dirtyWeights, decoded);
}

/** @param {number} started when the gesture ended; fetch what changed and measure until it is drawn */
async function fetchChanged(started) {
  const [spanTrack, spanWeights] = [dirtyTrack, dirtyWeights];
  dirtyTrack = null;
  dirtyWeights = null;
  if (!store.hasAudio) return;
  /** @type {Promise<void>[]} */
  const waits = [];
  latency.pending = null;
  if (spanWeights) {
    weights.a.forget(spanWeights);
    const now = clock.time();
    const near = [Math.max(spanWeights[0], now - NEAR), Math.min(spanWeights[1], now + NEAR)];
    const first = store.duration <= SHORT || near[0] >= near[1] ? null : near;
    const part = first ?? (spanWeights[1] - spanWeights[0] <= SHORT ? spanWeights : [spanWeights[0], spanWeights[0] + 2 * NEAR]);
    waits.push(weights.a.load(/** @type {[number, number]} */ (part)).then(() => {
      latency.pending = started;
      store.changed("weights");
    }));
  }
  if (spanTrack) waits.push(track.load(spanTrack).then(() => store.changed("track")));
  await Promise.all(waits);
}

/** Called by the stage right after it drew the newest weights. */
export function drawn() {
  if (latency.pending === null) return;
  latency.last = performance.now() - latency.pending;
  latency.all.push(latency.last);
  latency.pending = null;
  store.changed("latency");
}

/** @param {boolean} on keep the present state as B beside A, or drop B */
export async function compare(on) {
  try {
    Object.assign(store.state, await whileBusy(() => post("compare", { on })));
    weights.b.reset(store.duration);
    store.changed("state", "compare");
    fillWeights();
  } catch (error) {
    complain(error);
  }
}

/** @param {File} file @param {string} [kind] @returns {Promise<void>} send a file to where it belongs */
export async function sendFile(file, kind) {
  const sort = kind ?? await sortOf(file);
  if (!sort) {
    toast(`${file.name}: not a recording, mesh, track, words or project that the studio knows.`, "bad");
    return;
  }
  const limit = store.state?.options?.limits?.[`${sort}_bytes`];
  if (limit && file.size > limit) {
    toast(`${file.name} is too large: ${(file.size / 1e6).toFixed(0)} MB of at most ${(limit / 1e6).toFixed(0)} MB.`, "bad");
    return;
  }
  log(`${capital(/** @type {string} */ (sort))}: ${file.name}`);
  try {
    const place = sort === "track" && /\.rttm$/i.test(file.name) && !kind ? await sortOfTurns(file) : sort;
    const left = place === "audio" || place === "project" ? await leaveWork(file.name) : "saved";
    if (!left) return log(`${file.name} was not opened`);
    const reply = await upload(/** @type {string} */ (place), file, file.name, left === "discard");
    if (reply?.job) expectJob(reply.job, reply.kind ?? sort);
    else await refresh();
  } catch (error) {
    complain(error);
  }
}

/** @param {string} job that the server has just begun @param {string} kind */
export const expectJob = (job, kind) => takeJob({ type: "progress", job, kind, step: "starting", done: 0, total: 0 });

/** @param {string} path where the server is asked for a job @param {string} kind @param {object} [values] */
export async function startJob(path, kind, values) {
  try {
    expectJob((await post(path, values)).job, kind);
  } catch (error) {
    complain(error);
  }
}

/** @param {File} file @returns {Promise<string>} RTTM says who speaks, or with which emotion */
async function sortOfTurns(file) {
  const rows = (await file.slice(0, 4000).text()).split("\n").map((line) => line.trim().split(/\s+/));
  const names = rows.filter((row) => row[0] === "SPEAKER" && row.length > 8).map((row) => row[7]);
  return names.length && !names.some((name) => store.labels.includes(name)) ? "speakers" : "track";
}

/** Ids of jobs that have ended: the answer that names a job may come after its end. */
const finished = new Set();

/** @param {any} event of the server */
function takeJob(event) {
  if (event.type === "state") {
    // The answer of our own edit may still be on its way: look again then.
    if (busy.count) setTimeout(() => takeJob(event), 120);
    else if (event.revision > (store.state?.revision ?? -1)) refresh().catch(complain);
    return;
  }
  if (event.type === "decoded") {
    decoded = event.revision;
    return;
  }
  if (event.type === "progress") {
    if (finished.has(event.job)) return;
    store.jobs.set(event.job, { ...store.jobs.get(event.job), ...event });
  } else {
    finished.add(event.job);
    store.jobs.delete(event.job);
  }
  if (event.type === "failed") {
    if (event.error === "cancelled") toast(`${capital(event.kind)}: cancelled`);
    else if (event.error) toast(event.error, "bad");
  }
  if (event.type === "done") {
    announce(`${event.kind} finished`);
    log(`${event.kind} finished`);
    if (event.result?.note) toast(event.result.note);
    store.lastResult = event;
    store.changed("result");
    if (event.kind !== "export") refresh().catch(complain);
  }
  store.changed("jobs");
}

/** @param {string} job */
export const cancelJob = (job) => post(`jobs/${encodeURIComponent(job)}/cancel`).catch(complain);

const EARLIER = "This address is of an earlier start of the studio. Open the address that it printed last.";

/** Connect, and stay connected. */
export async function start() {
  const events = openEvents({
    onEvent: takeJob,
    onState(state) {
      const was = store.connection;
      store.connection = state === "refused" ? "bad" : state;
      store.changed("connection");
      if (state === "bad" && was !== "bad") banner("lost", "The studio's server does not answer. If it has ended, start it again and open the address that it prints; it offers your unsaved edits.", [["Try again", () => events.retry()]], "bad");
      else if (state === "refused") banner("lost", EARLIER, [], "bad");
      else if (state === "good") {
        dropBanner("lost");
        if (was !== "good" && store.state) catchUp().then(send).catch(complain);
      }
    },
  });
  try {
    await refresh();
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) banner("lost", EARLIER, [], "bad");
    else complain(error);
  }
}
