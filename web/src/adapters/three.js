/** The face on a model of three.js: its morph targets with ARKit's names, and its head's bone. */

import { quaternionOf, TargetWeights } from "../frames.js";
import { SHAPES } from "../tables.js";

/** @typedef {import("../frames.js").Frame} Frame */

/** @param {any} object @returns {boolean} whether it is called a head, by whatever rig */
const isHead = (object) => /^(head|mixamorig_?:?head|cc_base_head|j_bip_c_head)$/i.test(object.name);

/** Drives a three.js object. */
export class ThreeFace {
  /**
   * @param {any} root the scene of a GLB, or any object that has the meshes
   * @param {{head?: any}} [options] the bone or node that turns, found by its name otherwise
   */
  constructor(root, { head = null } = {}) {
    /** @type {{mesh: any, weigh: TargetWeights}[]} */
    this.meshes = [];
    root.traverse((/** @type {any} */ object) => {
      if (!object.morphTargetDictionary || !object.morphTargetInfluences) return;
      const targets = Object.keys(object.morphTargetDictionary);
      targets.sort((a, b) => object.morphTargetDictionary[a] - object.morphTargetDictionary[b]);
      // What GLTFLoader keeps of `mesh.extras` is on the mesh, or on the group of its primitives.
      const { correctives } = { ...object.parent?.userData, ...object.userData };
      const weigh = new TargetWeights(targets, SHAPES.names, SHAPES.tongueNames, correctives);
      if (weigh.driven) this.meshes.push({ mesh: object, weigh });
      if (head === null && object.skeleton) head = object.skeleton.bones.find(isHead) ?? null;
    });
    if (!this.meshes.length) throw new Error("This model has no morph targets with the names of ARKit's shapes.");
    if (head === null) root.traverse((/** @type {any} */ object) => (head ??= isHead(object) ? object : null));
    this.head = head;
    this.rest = head?.quaternion.clone() ?? null;
  }

  /** @param {{weights: ArrayLike<number>, tongue?: ArrayLike<number>, head?: ArrayLike<number>}} frame */
  apply({ weights, tongue = [0, 0, 0], head = [0, 0, 0] }) {
    for (const { mesh, weigh } of this.meshes) weigh.apply(weights, tongue, mesh.morphTargetInfluences);
    if (!this.head) return;
    const turn = this.rest.clone();
    turn.set(...quaternionOf(head));
    this.head.quaternion.copy(this.rest).multiply(turn);
  }
}
