/** The tab of the face: built-in faces, a mesh of one's own, how well it was fitted, and its landmarks. */

import { getJson } from "../api.js";
import { chooseFile, enable, make, press } from "../dom.js";
import { endings } from "../kinds.js";
import { complain } from "../notices.js";
import { sendFile, startJob } from "../session.js";
import { landmarks } from "../stage/landmarks.js";
import { stage } from "../stage/stage.js";
import { store } from "../store.js";
import { block, source } from "./dock.js";

/** @param {HTMLElement} grid fill it with the faces that there are */
async function listFaces(grid) {
  const faces = await getJson("faces");
  grid.replaceChildren(...faces.map((/** @type {any} */ face) => {
    const picture = make("img", { src: face.thumbnail, alt: "", loading: "lazy", width: 72, height: 72 });
    return make("button", {
      class: "face", "data-face": face.name, "aria-pressed": "false", title: face.title,
      onclick: () => startJob("face", "register", { name: face.name }),
    }, picture, make("span", { text: face.name }));
  }));
}

/** @param {any} report @returns {Node[]} */
function reportRows(report) {
  const rows = Object.entries(report)
    .filter(([name, value]) => !["notes", "advice"].includes(name) && ["string", "number", "boolean"].includes(typeof value))
    .slice(0, 12)
    .flatMap(([name, value]) => {
      const shown = typeof value === "number" ? (Number.isInteger(value) ? String(value) : value.toPrecision(3)) : value === true ? "yes" : value === false ? "no" : String(value);
      return [make("dt", { text: name.replaceAll("_", " ") }), make("dd", { text: shown })];
    });
  const notes = (report.notes ?? []).map((/** @type {string} */ text) => make("p", { class: "note", text }));
  return [make("dl", { class: "report" }, ...rows), ...notes];
}

/** @returns {HTMLElement} the block that shows and moves landmarks */
function landmarkBlock() {
  const show = make("button", { class: "grow", "aria-pressed": "false", text: "Show and move" });
  const send = make("button", { class: "primary", text: "Register again", "aria-disabled": "true" });
  const back = make("button", { text: "Undo moves", "aria-disabled": "true" });
  const note = make("p", { class: "note", text: "The points from which the face was fitted. Where one is wrong, drag it to its place on the head." });
  show.addEventListener("click", async () => {
    try {
      if (landmarks.shown) landmarks.hide();
      else await landmarks.show();
    } catch (error) {
      complain(error);
    }
  });
  send.addEventListener("click", () => landmarks.send());
  back.addEventListener("click", () => landmarks.restore());
  const renew = () => {
    press(show, landmarks.shown);
    for (const button of [send, back]) enable(button, landmarks.moved.size > 0 && !store.job("register"));
    note.textContent = landmarks.about ?? note.textContent;
  };
  store.on("jobs landmarks", renew);
  return block("Landmarks", note, make("div", { class: "row" }, show), make("div", { class: "row" }, send, back));
}

/** @param {HTMLElement} panel */
export function buildFaces(panel) {
  const grid = make("div", { class: "faces", role: "group", "aria-label": "Built-in faces" });
  const now = make("div", { class: "block" });
  const report = make("div", { class: "block" });
  const marks = landmarkBlock();
  const quality = block("How well it was fitted", report);
  panel.append(
    block("Faces", grid),
    block("Your own head", now, make("div", { class: "row" }, make("button", { class: "grow", text: "Choose a mesh", onclick: () => chooseFile(endings("mesh").join(","), (file) => sendFile(file, "mesh")) })),
      make("p", { class: "note", text: "OBJ, GLB, PLY, STL or USD, any topology. It is fitted once and remembered." })),
    quality,
    marks,
  );
  let listed = false;
  store.on("state", () => {
    if (!listed) {
      listed = true;
      listFaces(grid).then(() => mark()).catch((error) => {
        listed = false;
        complain(error);
      });
    }
    const face = store.state?.face;
    const own = face && face.kind !== "builtin";
    now.replaceChildren(...(own ? [source(face.name, `${face.vertices.toLocaleString()} vertices, ${face.shapes.length} shapes`)] : []));
    quality.hidden = !face?.report;
    if (face?.report) report.replaceChildren(...reportRows(face.report));
    marks.hidden = !own || !stage.ready;
    mark();
  });
  const mark = () => {
    for (const button of grid.children) press(button, button.dataset.face === store.state?.face?.name);
  };
}
