/** Files dropped anywhere on the page. */

import { upload } from "./api.js";
import { busy, whileBusy } from "./busy.js";
import { byId } from "./dom.js";
import { sortOf } from "./kinds.js";
import { complain, toast } from "./notices.js";
import { sendFile } from "./session.js";
import { store } from "./store.js";

/** What others belong to comes first: a track and words to the recording, a registration takes longest. */
const ORDER = ["project", "audio", "track", "annotation", "words", "mesh"];

/** @returns {Promise<void>} when all that was begun is shown, but exports */
async function shown() {
  while (busy.count || [...store.jobs.values()].some((job) => job.kind !== "export")) await new Promise((soon) => setTimeout(soon, 50));
}

/** @param {File[]} files dropped together: one recording or project, and what belongs to it */
async function sendAll(files) {
  const sorts = await Promise.all(files.map(sortOf));
  const all = files.map((file, i) => ({ file, place: ORDER.indexOf(sorts[i] ?? "") })).sort((a, b) => a.place - b.place);
  const projects = all.filter(({ place }) => place === 0);
  // A project finds its recording and heads among them.
  const beside = projects.length ? all.filter(({ place }) => place === 1 || place === 5) : [];
  const whole = projects.length ? projects : all.filter(({ place }) => place === 1);
  const others = all.filter((one) => !whole.includes(one) && !(beside.includes(one) && one.place === 1));
  if (whole.length > 1) return toast(`${whole.map(({ file }) => file.name).join(", ")}: one recording or project can be open at a time.`, "bad");
  const before = store.state?.audio?.id;
  for (const { file } of beside) await whileBusy(() => upload("beside", file, file.name));
  for (const { file } of [...whole, ...others]) {
    if (beside.some((one) => one.file === file) && store.state?.face?.name === file.name) continue;
    await sendFile(file);
    await shown();
    if (file === whole[0]?.file && store.state?.audio?.id === before && others.length) return toast(`${others.map((one) => one.file.name).join(", ")}: not opened, because ${file.name} was not.`, "bad");
  }
}

/** Wire it. */
export function startDrop() {
  let depth = 0;
  const show = (/** @type {boolean} */ on) => { byId("drop").hidden = !on; };
  const carries = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    depth += 1;
    show(true);
  });
  addEventListener("dragleave", (event) => {
    if (!carries(event)) return;
    depth = Math.max(0, depth - 1);
    show(depth > 0);
  });
  addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    sendAll([...(event.dataTransfer?.files ?? [])]).catch(complain);
  });
}
