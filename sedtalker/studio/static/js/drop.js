/** Files dropped anywhere on the page. */

import { byId } from "./dom.js";
import { sendFile } from "./session.js";

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
  addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    for (const file of [...(event.dataTransfer?.files ?? [])]) await sendFile(file);
  });
}
