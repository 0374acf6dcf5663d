/** The project: its name in the bar, open, save, and whether it is saved. */

import { byId, chooseFile } from "../dom.js";
import { saveProject } from "../saving.js";
import { sendFile } from "../session.js";
import { store } from "../store.js";

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
