// Play a .vrma on an avatar with three-vrm: node play_vrm.mjs PACKAGES AVATAR.vrm ANIMATION.vrma SECONDS… > answers.json
// With frames of the web package as JSON in place of the animation, its adapter moves the avatar.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, avatar, animation, ...seconds] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const THREE = await import(pathToFileURL(require.resolve("three").replace(/three\.cjs$/, "three.module.js")));
const { GLTFLoader } = await load("three/addons/loaders/GLTFLoader.js");
const module = (name) => import(pathToFileURL(`${packages}/node_modules/@pixiv/${name}/lib/${name}.module.js`));
const { VRMLoaderPlugin, VRMUtils } = await module("three-vrm");
const { VRMAnimationLoaderPlugin, VRMLookAtQuaternionProxy, createVRMAnimationClip } = await module("three-vrm-animation");
globalThis.self ??= globalThis;

const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
const parse = async (path) => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return loader.parseAsync(buffer.slice(byteOffset, byteOffset + byteLength), "");
};

const { vrm } = (await parse(avatar)).userData;
VRMUtils.rotateVRM0(vrm);
const bone = vrm.humanoid.getRawBoneNode("head");
const turned = () => bone.getWorldQuaternion(new THREE.Quaternion());
vrm.update(0);
const rest = turned().invert();

/** What the avatar shows, and how its head has turned in the world. */
const shown = () => {
  vrm.update(0);
  const values = {};
  for (const { expressionName } of vrm.expressionManager.expressions)
    values[expressionName] = vrm.expressionManager.getValue(expressionName);
  const head = turned().multiply(rest).toArray();
  const mesh = vrm.scene.getObjectByProperty("isMesh", true);
  return { values, head, gaze: [vrm.lookAt.yaw, vrm.lookAt.pitch], influences: [...mesh.morphTargetInfluences] };
};

/** The animation's frames, and its length. */
async function played() {
  const proxy = new VRMLookAtQuaternionProxy(vrm.lookAt);
  proxy.name = "lookAtQuaternionProxy";
  vrm.scene.add(proxy);
  const [motion] = (await parse(animation)).userData.vrmAnimations;
  const clip = createVRMAnimationClip(motion, vrm);
  const mixer = new THREE.AnimationMixer(vrm.scene);
  mixer.clipAction(clip).play();
  const at = (second) => (mixer.setTime(Number(second)), shown());
  return { duration: clip.duration, frames: seconds.map(at) };
}

/** The frames as the adapter shows them. */
async function driven() {
  const { VrmFace } = await import("../../../web/src/adapters/vrm.js");
  const face = new VrmFace(vrm);
  const frames = JSON.parse(readFileSync(animation, "utf8"));
  return { frames: frames.map((frame) => (face.apply(frame), shown())) };
}

process.stdout.write(JSON.stringify(await (animation.endsWith(".json") ? driven() : played())));
