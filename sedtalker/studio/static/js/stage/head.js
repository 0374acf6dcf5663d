/** The head: the server's GLB, its morph targets driven by rows of weights, its node `head` by a rotation. */

import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { headMaterial } from "./shading.js";

/** @typedef {import("./shading.js").Lamps} Lamps */

/** Columns of a row of weights behind those of the shapes: head rotation × 3 and mouth opening. */
export const EXTRA_COLUMNS = 4;

export class Head {
  /** @param {any} scene of the GLB @param {string[]} shapes names of the columns of the weights */
  constructor(scene, shapes) {
    this.scene = scene;
    this.shapes = shapes;
    /** @type {{influences: number[], columns: Int16Array}[]} for each mesh: its influences, and which column drives each */
    this.driven = [];
    /** @type {THREE.Mesh[]} */
    this.meshes = [];
    this.turning = scene.getObjectByName("head") ?? scene;
    this._axis = new THREE.Vector3();
    const column = new Map(shapes.map((name, i) => [name, i]));
    scene.traverse((/** @type {any} */ part) => {
      if (!part.isMesh) return;
      part.frustumCulled = false;
      this.meshes.push(part);
      const columns = new Int16Array(part.morphTargetInfluences?.length ?? 0).fill(-1);
      for (const [name, index] of Object.entries(part.morphTargetDictionary ?? {})) columns[/** @type {number} */ (index)] = column.get(name) ?? -1;
      if (columns.length) this.driven.push({ influences: part.morphTargetInfluences, columns });
    });
  }

  /**
   * @param {string} url @param {string[]} shapes @param {Lamps} lamps
   * @param {{parts?: Record<string, string>, materials?: Record<string, any>}} described what material is which part of a head, and how parts reflect
   * @returns {Promise<Head>}
   */
  static async load(url, shapes, lamps, { parts = {}, materials = {} } = {}) {
    const gltf = await new GLTFLoader().loadAsync(url);
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
    for (const { influences, columns } of this.driven) {
      for (let i = 0; i < columns.length; i++) influences[i] = columns[i] < 0 ? 0 : row[columns[i]];
    }
    const at = this.shapes.length;
    this._axis.set(row[at], row[at + 1], row[at + 2]);
    const angle = this._axis.length();
    if (angle > 1e-9) this.turning.quaternion.setFromAxisAngle(this._axis.divideScalar(angle), angle);
    else this.turning.quaternion.identity();
  }

  /** The face at rest. */
  rest() {
    for (const { influences } of this.driven) influences.fill(0);
    this.turning.quaternion.identity();
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
