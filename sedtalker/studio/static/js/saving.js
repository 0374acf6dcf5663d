/** Saving the project, and what becomes of edits that are not saved when something else is opened. */

import { post, remove } from "./api.js";
import { askChoice, askText, banner, complain, dropBanner, toast } from "./notices.js";
import { store } from "./store.js";

/** Save where it was saved before, or ask for a place. @returns {Promise<boolean>} whether it is saved */
export async function saveProject() {
  if (!store.hasAudio) return false;
  const known = store.state.project?.path;
  const stem = (store.state.audio?.name ?? "speech").replace(/\.[^.]+$/, "");
  const path = known ?? await askText({ title: "Save the project", label: "File, in the folder where the studio was started", value: `${stem}.sedproject`, note: "It holds the track, your edits and settings, and where recording and mesh are. sedtalker animate --project reads it.", action: "Save" });
  return Boolean(path) && save(path, false);
}

/** @param {string} path @param {boolean} force write over another project @returns {Promise<boolean>} whether it is saved */
async function save(path, force) {
  dropBanner("overwrite");
  try {
    store.state.project = await post("project", { path, force });
    store.changed("history", "project");
    toast(`Saved: ${store.state.project.path}`);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    if (force || !/exists;/.test(message)) complain(error);
    else banner("overwrite", message, [["Overwrite it", () => save(path, true)], ["Leave it", () => dropBanner("overwrite")]]);
    return false;
  }
}

/**
 * Before something else is opened: what becomes of edits that are not saved.
 * @param {string} what is opened
 * @returns {Promise<"saved" | "discard" | null>} saved: nothing would be lost; null: it is not to be opened
 */
export async function leaveWork(what) {
  if (!store.state?.project?.dirty) return "saved";
  const answer = await askChoice({
    title: "Save your edits?",
    text: `The edits of ${store.state.audio?.name} are not saved. They are lost when ${what} is opened without saving them.`,
    actions: { save: "Save", discard: "Discard", cancel: "Cancel" },
  });
  if (answer === "save") return (await saveProject()) ? "saved" : null;
  return answer === "discard" ? "discard" : null;
}

/** @returns {Promise<any>} null: other edits are not saved, and are kept */
async function recover() {
  const left = await leaveWork("that work");
  return left && post(left === "discard" ? "recover?discard=true" : "recover");
}

/**
 * Offer what a studio that ended had not saved.
 * @param {{saved_at: number, audio: string} | null} recovery
 * @param {() => Promise<any>} refresh called when it is taken or dropped
 */
export function showRecovery(recovery, refresh) {
  if (!recovery) return dropBanner("recovery");
  const at = new Date(recovery.saved_at * 1000);
  const act = (/** @type {() => Promise<any>} */ call) => async () => {
    try {
      if ((await call()) === null) return;
      dropBanner("recovery");
      await refresh();
    } catch (error) {
      complain(error);
    }
  };
  banner("recovery", `Work on ${recovery.audio} of ${at.toLocaleString()} was not saved.`, [
    ["Recover it", act(recover)],
    ["Discard it", act(() => remove("recover"))],
  ]);
}
