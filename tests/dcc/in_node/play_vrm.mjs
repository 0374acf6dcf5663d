// Play a .vrma on an avatar with three-vrm: node play_vrm.mjs PACKAGES AVATAR.vrm ANIMATION.vrma SECONDS… > answers.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, avatar, animation, ...seconds] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const THREE = await import(pathToFileURL(require.resolve("three").replace(/three\.cjs$/, "three.module.js")));
const { GLTFLoader } = await load("three/addons/loaders/GLTFLoader.js");
const module = (name) => import(pathToFileURL(`${packages}/node_modules/@pixiv/${name}/lib/${name}.module.js`));
const { VRMLoaderPlugin } = await module("three-vrm");
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
const proxy = new VRMLookAtQuaternionProxy(vrm.lookAt);
proxy.name = "lookAtQuaternionProxy";
vrm.scene.add(proxy);
const [motion] = (await parse(animation)).userData.vrmAnimations;
const clip = createVRMAnimationClip(motion, vrm);
const mixer = new THREE.AnimationMixer(vrm.scene);
mixer.clipAction(clip).play();
const frames = seconds.map((second) => {
  mixer.setTime(Number(second));
  vrm.update(0);
  const values = {};
  for (const { expressionName } of vrm.expressionManager.expressions)
    values[expressionName] = vrm.expressionManager.getValue(expressionName);
  const head = vrm.humanoid.getNormalizedBoneNode("head").quaternion.toArray();
  const mesh = vrm.scene.getObjectByProperty("isMesh", true);
  return { values, head, gaze: [vrm.lookAt.yaw, vrm.lookAt.pitch], influences: [...mesh.morphTargetInfluences] };
});
process.stdout.write(JSON.stringify({ duration: clip.duration, version: motion.constructor.name, frames }));
