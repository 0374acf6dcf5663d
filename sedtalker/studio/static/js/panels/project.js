/** The project: its name in the bar, open, save, and whether it is saved. */

import { post } from "../api.js";
import { byId, chooseFile } from "../dom.js";
import { askText, banner, complain, dropBanner, toast } from "../notices.js";
import { sendFile } from "../session.js";
import { store } from "../store.js";

/** Save where it was saved before, or ask for a place. */
export async function saveProject() {
  if (!store.hasAudio) return;
  const known = store.state.project?.path;
  const stem = (store.state.audio?.name ?? "speech").replace(/\.[^.]+$/, "");
  const path = known ?? await askText({ title: "Save the project", label: "File, in the folder where the studio was started", value: `${stem}.sedproject`, note: "It holds the track, your edits and settings, and where recording and mesh are. sedtalker animate --project reads it.", action: "Save" });
  if (!path) return;
  await save(path, false);
}

/** @param {string} path @param {boolean} force write over another project */
async function save(path, force) {
  dropBanner("overwrite");
  try {
    const reply = await post("project", { path, force });
    store.state.project = reply?.project ?? { path: reply?.path ?? path, dirty: false };
    store.changed("history", "project");
    toast(`Saved: ${store.state.project.path}`);
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    if (force || !/exists;/.test(message)) complain(error);
    else banner("overwrite", message, [["Overwrite it", () => save(path, true)], ["Leave it", () => dropBanner("overwrite")]]);
  }
}

/** Wire the buttons of the bar. */
export function startProject() {
  byId("project-save").addEventListener("click", () => saveProject());
  byId("project-open").addEventListener("click", () => chooseFile(".sedproject", (file) => sendFile(file, "project")));
  const [title, note] = byId("project-name").children;
  const show = () => {
    const { audio, project } = store.state ?? {};
    const name = project?.path?.split(/[\\/]/).pop() ?? audio?.name;
    title.textContent = name ?? "No recording";
    title.title = project?.path ?? "";
    note.textContent = !audio ? "" : project?.dirty ? "edited · kept automatically" : project?.path ? "saved" : "";
    document.title = name ? `${project?.dirty ? "• " : ""}${name} – SEDTalker Studio` : "SEDTalker Studio";
  };
  store.on("state history project", show);
  addEventListener("beforeunload", (event) => {
    // The server keeps everything; only a lost server would lose edits.
    if (store.state?.project?.dirty && store.connection === "bad") event.preventDefault();
  });
}
