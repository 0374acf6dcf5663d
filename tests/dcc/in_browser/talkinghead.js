// Moves an avatar of TalkingHead by the web package's adapter and sends back the influences of its morph targets.
import * as THREE from "three";
import { GLTFExporter } from "three/addons/exporters/GLTFExporter.js";
import { TalkingHead } from "/node_modules/@met4citizen/talkinghead/modules/talkinghead.mjs";
import { TalkingHeadFace } from "/web/src/adapters/talkinghead.js";
import { SHAPES } from "/web/src/tables.js";

const send = (name, body) => fetch(`/answer/${name}`, { method: "POST", body });

/** A triangle with ARKit's shapes beside the bones that TalkingHead asks for, as a GLB. */
async function avatar(bones) {
  const corners = (values) => new THREE.Float32BufferAttribute(values, 3);
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", corners([0, 1.6, 0, 0.1, 1.6, 0, 0, 1.7, 0]));
  geometry.setAttribute("normal", corners([0, 0, 1, 0, 0, 1, 0, 0, 1]));
  geometry.morphAttributes.position = SHAPES.names.map(() => corners(new Array(9).fill(0.01)));
  geometry.morphTargetsRelative = true;
  const mesh = new THREE.Mesh(geometry, new THREE.MeshStandardMaterial());
  mesh.morphTargetDictionary = Object.fromEntries(SHAPES.names.map((name, k) => [name, k]));
  mesh.morphTargetInfluences = SHAPES.names.map(() => 0);
  const root = new THREE.Group();
  root.name = "Armature";
  for (const name of new Set(["LeftEye", "RightEye", "Head", "Neck", ...bones])) root.add(Object.assign(new THREE.Bone(), { name }));
  root.getObjectByName("LeftEye").position.set(0.03, 1.65, 0.05);
  root.getObjectByName("RightEye").position.set(-0.03, 1.65, 0.05);
  root.add(mesh);
  return new GLTFExporter().parseAsync(root, { binary: true });
}

async function drive() {
  const { frames, heads } = await (await fetch("/request.json")).json();
  const head = new TalkingHead(document.getElementById("avatar"), { ttsEndpoint: "none", lipsyncModules: [], cameraView: "head" });
  const glb = await avatar(head.posePropNames.map((name) => name.split(".")[0]));
  await head.showAvatar({ url: URL.createObjectURL(new Blob([glb])), body: "F", avatarMood: "neutral" });
  const [{ morphTargetDictionary: place, morphTargetInfluences: weight }] = head.morphs;
  const influences = () => Object.fromEntries(Object.entries(place).map(([name, k]) => [name, weight[k]]));
  const jaw = SHAPES.names.indexOf("jawOpen");
  /** Wait until the jaw is where it should be, and all else with it. */
  const until = async (there) => {
    while (!there(weight[place.jawOpen])) await new Promise((done) => setTimeout(done, 50));
    await new Promise((done) => requestAnimationFrame(done));
  };
  const face = new TalkingHeadFace(head);
  const shown = [];
  for (const [k, weights] of frames.entries()) {
    face.apply({ weights, head: heads[k] });
    await until((x) => Math.abs(x - weights[jaw]) < 1e-6);
    shown.push(influences());
  }
  face.release();
  await until((x) => x < 0.01);
  await send("done", JSON.stringify({ shown, released: influences() }));
}

drive().catch((error) => send("error", `${error.stack || error}`));
