/** The foot of the page: connection, what runs, how fast edits and pictures are. */

import { byId, capital, enable, make } from "../dom.js";
import { openLog } from "../notices.js";
import { cancelJob, latency } from "../session.js";
import { store } from "../store.js";

/** @param {any} job @returns {string} what it does, in words */
const jobText = (job) => capital(job.step && job.step !== job.kind ? `${job.kind}: ${job.step}` : job.kind);

/** Wire it. */
export function startStatus() {
  byId("log-open").addEventListener("click", openLog);
  store.on("connection", () => {
    const dot = byId("status-connection");
    dot.dataset.state = store.connection;
    dot.textContent = { good: "connected", wait: "connecting", bad: "no server" }[store.connection];
  });
  store.on("jobs", () => {
    const place = byId("status-job");
    const job = [...store.jobs.values()][0];
    document.body.toggleAttribute("data-heavy", Boolean(job));
    if (!job) {
      place.replaceChildren();
      return;
    }
    const share = job.total ? job.done / job.total : undefined;
    const old = place.querySelector("progress");
    if (place.dataset.job === job.job && old) {
      place.firstElementChild.textContent = jobText(job);
      if (share !== undefined) old.value = share;
      return;
    }
    place.dataset.job = job.job;
    place.replaceChildren(
      make("span", { text: jobText(job) }),
      make("progress", { max: 1, value: share, "aria-label": jobText(job) }),
      make("button", { class: "link", text: "Cancel", onclick: (/** @type {Event} */ event) => {
        const button = /** @type {HTMLElement} */ (event.target);
        button.textContent = "Cancelling"; // it ends with what it is at
        enable(button, false);
        cancelJob(job.job);
      } }),
    );
  });
  store.on("latency", () => {
    byId("status-edit").textContent = `edit ${Math.round(latency.last)} ms`;
  });
}

/** @param {number} fps frames drawn in the last second */
export function showFps(fps) {
  const text = fps ? `${fps} fps` : "";
  const place = byId("status-fps");
  if (place.textContent !== text) place.textContent = text;
}
