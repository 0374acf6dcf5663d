/** The head: the server's GLB, its morph targets driven by rows of weights, its node `head` by a rotation. */

import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { Morph } from "./morph.js";
import { headMaterial } from "./shading.js";

/** @typedef {import("./shading.js").Lamps} Lamps */

/** Columns of a row of weights behind those of the shapes: head rotation × 3 and mouth opening. */
export const EXTRA_COLUMNS = 4;

/** @param {any} skinned @returns {THREE.Mesh} the same without joints, in its place: `Morph` turns its vertices */
function plainMesh(skinned) {
  const mesh = new THREE.Mesh(skinned.geometry, skinned.material);
  mesh.name = skinned.name;
  skinned.parent.add(mesh);
  skinned.removeFromParent();
  return mesh;
}

export class Head {
  /** @param {any} scene of the GLB @param {string[]} shapes names of the columns of the weights */
  constructor(scene, shapes) {
    this.scene = scene;
    this.shapes = shapes;
    /** @type {Morph[]} of the meshes that have targets */
    this.morphs = [];
    /** @type {THREE.Mesh[]} */
    this.meshes = [];
    this.turning = scene.getObjectByName("head") ?? scene;
    this._axis = new THREE.Vector3();
    const column = new Map(shapes.map((name, i) => [name, i]));
    const found = /** @type {any[]} */ ([]);
    scene.traverse((/** @type {any} */ part) => part.isMesh && found.push(part));
    for (const part of found) {
      this.morphs.push(new Morph(part, column));
      const mesh = part.isSkinnedMesh ? plainMesh(part) : part;
      mesh.frustumCulled = false;
      this.meshes.push(mesh);
    }
    this.joined = found.some((part) => part.isSkinnedMesh);
    scene.updateMatrixWorld(true);
    this._pivot = new THREE.Vector3().setFromMatrixPosition(this.turning.matrixWorld);
    this._turn = new THREE.Matrix4();
  }

  /**
   * @param {ArrayBuffer} file a GLB @param {string[]} shapes @param {Lamps} lamps
   * @param {{parts?: Record<string, string>, materials?: Record<string, any>}} described what material is which part of a head, and how parts reflect
   * @returns {Promise<Head>}
   */
  static async read(file, shapes, lamps, { parts = {}, materials = {} } = {}) {
    const gltf = await new GLTFLoader().parseAsync(file, "");
    const head = new Head(gltf.scene, shapes);
    for (const mesh of head.meshes) {
      const look = /** @type {THREE.MeshStandardMaterial} */ (mesh.material);
      const finish = materials[parts[look.name] ?? look.name] ?? materials.skin;
      mesh.material = headMaterial(look, lamps, finish, Boolean(mesh.geometry.attributes.color));
      mesh.castShadow = true;
      mesh.receiveShadow = true;
      look.dispose();
    }
    return head;
  }

  /** @param {Float32Array} row weights, then the head's rotation vector */
  pose(row) {
    const at = this.shapes.length;
    this._axis.set(row[at], row[at + 1], row[at + 2]);
    const angle = this._axis.length();
    if (angle > 1e-9) this.turning.quaternion.setFromAxisAngle(this._axis.divideScalar(angle), angle);
    else this.turning.quaternion.identity();
    this.#blend(row);
  }

  /** The face at rest. */
  rest() {
    this.turning.quaternion.identity();
    this.#blend(null);
  }

  /** @param {Float32Array | null} row with joints, the turning is part of the vertices: about the pivot */
  #blend(row) {
    const { x, y, z } = this._pivot;
    this._turn.makeRotationFromQuaternion(this.turning.quaternion);
    this._turn.multiply(new THREE.Matrix4().makeTranslation(-x, -y, -z)).premultiply(new THREE.Matrix4().makeTranslation(x, y, z));
    for (const morph of this.morphs) morph.blend(row, this.joined ? this._turn : null);
  }

  /** @param {boolean} on */
  wireframe(on) {
    for (const mesh of this.meshes) /** @type {any} */ (mesh.material).wireframe = on;
  }

  /** @returns {THREE.Box3} */
  box() {
    return new THREE.Box3().setFromObject(this.scene);
  }

  dispose() {
    for (const mesh of this.meshes) {
      mesh.geometry.dispose();
      const material = /** @type {THREE.ShaderMaterial} */ (mesh.material);
      material.uniforms.picture?.value?.dispose();
      material.dispose();
    }
  }
}
