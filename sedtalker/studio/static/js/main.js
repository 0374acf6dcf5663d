/** The page begins here: everything is wired, the server is asked, and one loop draws. */

import { clock } from "./clock.js";
import { byId, chooseFile, make } from "./dom.js";
import { startDrop } from "./drop.js";
import { startFiner } from "./finer.js";
import { complain, log } from "./notices.js";
import { buildControls } from "./panels/controls.js";
import { startDock } from "./panels/dock.js";
import { buildExport } from "./panels/export.js";
import { buildFaces } from "./panels/faces.js";
import { buildFiner } from "./panels/finer.js";
import { buildLive, showLive } from "./panels/live.js";
import { buildMedia } from "./panels/media.js";
import { startProject } from "./panels/project.js";
import { buildShapes } from "./panels/shapes.js";
import { showFps, startStatus } from "./panels/status.js";
import { startProbe } from "./probe.js";
import { sendFile, start } from "./session.js";
import { startShortcuts } from "./shortcuts.js";
import { stage } from "./stage/stage.js";
import { startViewTools } from "./stage/view_tools.js";
import { store } from "./store.js";
import { startTheme } from "./theme.js";
import { frameTimeline, recolourTimeline, startTimeline } from "./timeline/timeline.js";
import { startTransport } from "./transport.js";

const counters = { fps: 0, frames: 0 };

/** What is shown where there is no recording yet. */
function startEmpty() {
  const empty = byId("stage-empty");
  const choose = () => chooseFile("audio/*,.wav,.flac,.ogg,.mp3,.m4a,.mp4,.webm,.sedproject", (file) => sendFile(file));
  empty.append(make("div", { class: "card" },
    make("h2", { text: "Drop a recording of speech" }),
    make("p", { text: "Its emotion is predicted, and the head speaks it. Or record yourself in the tab Recording." }),
    make("button", { class: "primary", text: "Choose a file", onclick: choose }),
  ));
  store.on("state jobs live", () => {
    empty.hidden = !store.state || store.hasAudio || store.jobs.size > 0 || stage.override !== null;
  });
}

let second = performance.now();
let drawnBefore = 0;
/** The one loop: time, head, lanes, numbers. */
function frame() {
  clock.tick();
  showLive(stage);
  const head = stage.frame();
  const lanes = frameTimeline();
  if (head || lanes || clock.playing) counters.frames += 1;
  store.changed("frame");
  const now = performance.now();
  if (now - second >= 1000) {
    counters.fps = Math.round(((counters.frames - drawnBefore) * 1000) / (now - second));
    [second, drawnBefore] = [now, counters.frames];
    showFps(counters.fps);
  }
  requestAnimationFrame(frame);
}

function main() {
  addEventListener("error", (event) => log(event.message, "bad"));
  addEventListener("unhandledrejection", (event) => complain(event.reason));
  startTheme(recolourTimeline);
  startDock("dock-left", "Sources", [
    { name: "media", title: "Recording", build: buildMedia },
    { name: "faces", title: "Face", build: buildFaces },
    { name: "finer", title: "Fine-grained emotions", build: buildFiner, needsAudio: true },
  ]);
  startDock("dock-right", "Settings", [
    { name: "controls", title: "Edit", build: buildControls, needsAudio: true },
    { name: "shapes", title: "Shapes", build: buildShapes, needsAudio: true },
    { name: "export", title: "Export", build: buildExport },
    { name: "live", title: "Live", build: buildLive },
  ]);
  startViewTools();
  startTransport();
  startTimeline();
  startShortcuts();
  startProject();
  startStatus();
  startDrop();
  startEmpty();
  startFiner();
  startProbe(counters);
  requestAnimationFrame(frame);
  start();
}

main();
