/** The face on an avatar of `@pixiv/three-vrm`: the expressions of VRM 1, where it looks, and the bone of its head. */

import { clip } from "../filters.js";
import { quaternionOf } from "../frames.js";
import { LIVE_LINK, SHAPES, VRM } from "../tables.js";

/** @typedef {import("../frames.js").Frame} Frame */

/** @param {number} radians @returns {number} degrees */
const degrees = (radians) => (radians * 180) / Math.PI;

/**
 * The face as the fixed expressions of VRM 1: five vowels, blinks and the emotion, as `sedtalker live --to vmc` sends them.
 * The vowels share the opening of the jaw by how round and how wide the lips are.
 * @param {Pick<Frame, "weights" | "emotion" | "intensity">} frame
 * @returns {Record<string, number>}
 */
export function vrmExpressions({ weights, emotion, intensity }) {
  const weight = (/** @type {string} */ name) => weights[SHAPES.names.indexOf(name)];
  const opening = Math.min(1, 1.6 * weight("jawOpen"));
  const round = Math.min(1, Math.max(weight("mouthPucker"), weight("mouthFunnel")) * 1.5);
  const wider = ["Stretch", "Smile", "Dimple"].map((name) => weight(`mouth${name}Left`) + weight(`mouth${name}Right`));
  const wide = Math.min(1, 0.75 * Math.max(...wider)); // 1.5 of the mean of both sides
  const lips = Math.max(0, opening - weight("mouthClose"));
  const spread = wide * (1 - round);
  /** @type {Record<string, number>} */
  const found = {
    aa: lips * (1 - round) * (1 - wide),
    oh: lips * round,
    ou: (1 - lips) * round,
    ee: lips * spread,
    ih: (1 - lips) * spread * 0.5,
    blinkLeft: weight("eyeBlinkLeft"),
    blinkRight: weight("eyeBlinkRight"),
  };
  for (const expression of Object.values(VRM.emotions)) found[expression] = 0;
  found.relaxed = 0;
  const shown = VRM.emotions[emotion];
  if (shown) found[shown] = intensity;
  return found;
}

/**
 * Where both eyes look, as `VRMLookAt` has it.
 * @param {ArrayLike<number>} weights
 * @returns {{yaw: number, pitch: number}} degrees, to the avatar's left and down
 */
export function gaze(weights) {
  const weight = (/** @type {string} */ name) => weights[SHAPES.names.indexOf(name)];
  const left = weight("eyeLookOutLeft") + weight("eyeLookInRight") - weight("eyeLookInLeft") - weight("eyeLookOutRight");
  const down = weight("eyeLookDownLeft") + weight("eyeLookDownRight") - weight("eyeLookUpLeft") - weight("eyeLookUpRight");
  return { yaw: degrees((LIVE_LINK.eyeTurn * left) / 2), pitch: degrees((LIVE_LINK.eyeTurn * down) / 2) };
}

/** @param {string} name of a shape @returns {string[]} the expression's name: `jawOpen` here, `JawOpen` on other avatars */
const spellings = (name) => [name, name[0].toUpperCase() + name.slice(1)];

/** Drives a `VRM`; call its `update` afterwards, as ever. */
export class VrmFace {
  /** @param {any} vrm of `VRMLoaderPlugin` */
  constructor(vrm) {
    this.vrm = vrm;
    const expressions = vrm.expressionManager;
    this.head = vrm.humanoid?.getNormalizedBoneNode("head") ?? null;
    // Avatars of VRM 0 look along -Z, so what nods and tilts one of VRM 1 turns them the other way.
    this.facing = vrm.meta?.metaVersion === "0" ? [-1, 1, -1] : [1, 1, 1];
    // Avatars with "perfect sync" have ARKit's shapes as expressions of their own: the name of each, where there is one.
    this.shapes = SHAPES.names.map((name) => spellings(name).find((spelling) => expressions?.getExpression(spelling)));
    this.perfect = 2 * this.shapes.filter(Boolean).length > SHAPES.names.length;
    this.looks = this.perfect && this.shapes[SHAPES.names.indexOf("eyeLookInLeft")] !== undefined;
    if (vrm.lookAt) vrm.lookAt.autoUpdate = false;
  }

  /** @param {Frame} frame */
  apply(frame) {
    const { expressionManager, lookAt } = this.vrm;
    if (this.perfect) {
      this.shapes.forEach((name, k) => name && expressionManager.setValue(name, clip(frame.weights[k], 0, 1)));
    } else {
      const found = Object.entries(vrmExpressions(frame));
      for (const [name, value] of found) expressionManager?.setValue(name, clip(value, 0, 1));
    }
    if (lookAt && !this.looks) Object.assign(lookAt, gaze(frame.weights));
    this.head?.quaternion.set(...quaternionOf(Array.from(frame.head, (angle, axis) => this.facing[axis] * angle)));
  }
}
