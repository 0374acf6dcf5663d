/** The buttons over the picture, and what it says about the present moment. */

import { clock } from "../clock.js";
import { byId, capital, make, press, swatch } from "../dom.js";
import { liveEmotion } from "../panels/live.js";
import { edit, compare } from "../session.js";
import { INTENSITY, track } from "../signals.js";
import { activeSpeaker } from "../speakers.js";
import { store } from "../store.js";
import { stage } from "./stage.js";

/** Wire the toolbar of the stage. */
export function startViewTools() {
  const light = byId("light");
  store.on("state document", () => {
    const names = Object.keys(store.state?.options?.lights ?? {});
    if (light.options.length !== names.length) light.replaceChildren(...names.map((name) => make("option", { value: name, text: capital(name) })));
    const chosen = store.document?.settings?.light ?? "studio";
    if (light.value !== chosen) light.value = chosen;
    stage.useLight(chosen);
  });
  light.addEventListener("change", () => edit({ op: "settings", light: light.value }));
  byId("wireframe").addEventListener("click", toggleWireframe);
  byId("shadows").addEventListener("click", () => stage.useShadows(byId("shadows").getAttribute("aria-pressed") !== "true"));
  byId("view-reset").addEventListener("click", () => stage.resetView());
  byId("compare").addEventListener("click", toggleCompare);
  store.on("state compare", () => {
    const on = Boolean(store.state?.compare);
    press(byId("compare"), on);
    byId("stage-labels").hidden = !on || !stage.ready;
    stage.redraw();
  });
  store.on("face", () => stage.loadHead());
  store.on("frame", showNow);
}

export function toggleWireframe() {
  const on = byId("wireframe").getAttribute("aria-pressed") !== "true";
  press(byId("wireframe"), on);
  stage.head?.wireframe(on);
  stage.redraw();
}

export function toggleCompare() {
  if (store.hasAudio) compare(!store.state?.compare);
}

let said = "";
/** Once a frame: the emotion at the cursor, or that of the microphone. */
function showNow() {
  const live = liveEmotion();
  const segment = live ?? store.segments[store.segmentAt(clock.time())];
  const strength = live?.intensity ?? (segment ? track.value(clock.time(), INTENSITY) : 0);
  const note = live ? " · live" : segment?.uncertain ? " · in doubt" : "";
  const who = live ? "" : activeSpeaker()?.name ?? "";
  const text = segment ? `${who}|${segment.label}|${strength.toFixed(2)}|${note}` : "";
  if (text === said) return;
  said = text;
  const place = byId("stage-now");
  if (!segment) {
    place.replaceChildren();
    return;
  }
  place.replaceChildren(
    swatch(store.colour(segment.label)),
    who && make("i", { text: who }),
    make("b", { text: capital(segment.label) }),
    make("i", { text: strength.toFixed(2) + note }),
  );
}
