/** The tab of export: formats, what they need to know, progress, and what came out. */

import { bytesText, capital, enable, icon, make } from "../dom.js";
import { complain } from "../notices.js";
import { cancelJob, startJob } from "../session.js";
import { speakers } from "../speakers.js";
import { store } from "../store.js";
import { block } from "./dock.js";

/** Groups of formats, in the order they are shown. */
const GROUPS = /** @type {[string, string][]} */ ([["video", "Video"], ["animation", "Animated face"], ["vertices", "Every vertex"], ["track", "Emotion track"]]);
/** What is ticked at first. */
const FIRST = new Set(["mp4", "glb"]);

/** @param {HTMLElement} panel */
export function buildExport(panel) {
  const list = make("div", { class: "block" });
  const targets = make("select", { id: "targets" });
  const size = make("select", { id: "video-size" }, ...[256, 512, 720, 1080].map((n) => make("option", { value: n, text: `${n} × ${n}`, selected: n === 512 })));
  const all = make("input", { type: "checkbox" });
  const everybody = make("label", { class: "check", hidden: true }, all, make("span", {}, "All speakers", make("small", { text: "and who speaks when, as RTTM" })));
  const go = make("button", { class: "primary wide", text: "Export" });
  const [said, bar] = [make("p", { class: "note" }), make("progress", { max: 1, value: 0, "aria-label": "Export" })];
  const progress = make("div", { class: "block", hidden: true }, said, bar, make("button", { text: "Cancel", onclick: () => cancelJob(store.job("export").job) }));
  const results = make("div", { class: "downloads" });
  panel.append(
    block("Formats", list),
    block("Options",
      make("div", { class: "field" }, make("label", { for: "video-size", text: "Video" }), size),
      make("div", { class: "field" }, make("label", { for: "targets", text: "Shapes" }), targets),
      everybody),
    make("section", { class: "block export-foot", "aria-label": "Export" }, go, progress, results),
  );
  store.on("state", () => {
    const formats = store.state?.options?.formats ?? [];
    if (!list.children.length && formats.length) {
      list.append(...GROUPS.map(([kind, title]) => group(title, formats.filter((/** @type {any} */ f) => f.kind === kind))).filter(Boolean));
      targets.replaceChildren(...store.state.options.targets.map((/** @type {string} */ name) => make("option", { value: name, text: { few: "Few that say the same", arkit: "The 52 of ARKit", all: "All" }[name] ?? capital(name) })));
    }
    enable(go, store.hasAudio);
    everybody.hidden = !speakers().length;
    show(store.state?.exports?.at(-1)); // such as those that were ready while no page was open
  });
  go.addEventListener("click", () => {
    const formats = [...list.querySelectorAll("input:checked")].map((box) => box.value);
    if (!formats.length) return complain(new Error("Choose at least one format."));
    results.replaceChildren();
    startJob("export", "export", { formats, targets: targets.value, size: Number(size.value), everybody: all.checked && speakers().length > 0 });
  });
  store.on("jobs", () => {
    const job = store.job("export");
    progress.hidden = !job;
    enable(go, !job && store.hasAudio);
    if (!job) return;
    const share = job.total ? job.done / job.total : 0;
    said.textContent = `${capital(job.step ?? "working")}, ${Math.round(share * 100)} %`;
    bar.value = share;
  });
  let shown = "";
  const show = (/** @type {any} */ result) => {
    if (!result || result.id === shown) return;
    shown = result.id;
    results.replaceChildren(...result.files.map((/** @type {any} */ file) =>
      make("a", { href: file.url, download: file.name, title: file.name }, icon("down"), make("span", {}, make("bdi", { text: file.name })), make("small", { text: bytesText(file.bytes) })),
    ));
  };
  store.on("result", () => {
    const { kind, result } = store.lastResult ?? {};
    if (kind !== "export") return;
    show(result);
    results.querySelector("a")?.focus({ preventScroll: true });
  });
}

/** @param {string} title @param {any[]} formats */
function group(title, formats) {
  if (!formats.length) return null;
  return make("fieldset", { class: "formats", style: "border:0;margin:0;padding:0" }, make("legend", { class: "note", style: "padding:0", text: title }), ...formats.map((format) =>
    make("label", { class: "check" }, make("input", { type: "checkbox", value: format.name, checked: FIRST.has(format.name) }), make("span", {}, format.suffix ?? format.name, make("small", { text: format.about }))),
  ));
}
