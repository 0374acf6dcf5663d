/**
 * Morph targets blended on the processor. Most targets move a small part of the head: kept as lists of moved vertices, all
 * of them cost about a millisecond a frame, a tenth of the memory of three's textures of whole targets, and no more on
 * computers whose WebGL is software.
 */

import * as THREE from "three";

/** Weights nearer to zero than this move nothing that is seen. */
const LEAST = 1e-4;

/** @typedef {{vertices: Uint32Array, offsets: Float32Array}} Sparse three numbers a moved vertex */

/** @param {THREE.BufferAttribute | undefined} attribute offsets of all vertices @returns {Sparse} of those that move */
function sparse(attribute) {
  const count = attribute?.count ?? 0;
  /** @type {number[]} */
  const moved = [];
  for (let i = 0; i < count; i++) if (attribute.getX(i) || attribute.getY(i) || attribute.getZ(i)) moved.push(i);
  const offsets = new Float32Array(3 * moved.length);
  moved.forEach((vertex, k) => offsets.set([attribute.getX(vertex), attribute.getY(vertex), attribute.getZ(vertex)], 3 * k));
  return { vertices: Uint32Array.from(moved), offsets };
}

/** @param {Float32Array} out @param {Sparse} change @param {number} weight */
function add(out, { vertices, offsets }, weight) {
  for (let k = 0, o = 0; k < vertices.length; k++, o += 3) {
    const v = 3 * vertices[k];
    out[v] += weight * offsets[o];
    out[v + 1] += weight * offsets[o + 1];
    out[v + 2] += weight * offsets[o + 2];
  }
}

/** @param {THREE.BufferAttribute} attribute @returns {THREE.BufferAttribute} the same as plain floats that may change every frame */
function floats(attribute) {
  const plain = new Float32Array(3 * attribute.count);
  for (let i = 0; i < attribute.count; i++) plain.set([attribute.getX(i), attribute.getY(i), attribute.getZ(i)], 3 * i);
  return new THREE.BufferAttribute(plain, 3).setUsage(THREE.DynamicDrawUsage);
}

/** @param {any} mesh with joints or without @returns {Float32Array | null} how far each vertex follows the joint `head`; null: there are no joints */
function followers(mesh) {
  if (!mesh.isSkinnedMesh) return null;
  const head = mesh.skeleton.bones.findIndex((/** @type {any} */ bone) => bone.name === "head");
  const { skinIndex, skinWeight } = mesh.geometry.attributes;
  const follow = new Float32Array(skinIndex.count);
  for (let i = 0; i < follow.length; i++) {
    for (let k = 0; k < 4; k++) if (skinIndex.getComponent(i, k) === head) follow[i] += skinWeight.getComponent(i, k);
  }
  mesh.geometry.deleteAttribute("skinIndex");
  mesh.geometry.deleteAttribute("skinWeight");
  return follow;
}

/** The targets of one mesh, and its turning where a neck follows the head. */
export class Morph {
  /** @param {THREE.Mesh} mesh loses its own morph targets @param {Map<string, number>} columns of a row of weights, by the targets' names */
  constructor(mesh, columns) {
    const { geometry } = mesh;
    const names = Object.entries(mesh.morphTargetDictionary ?? {}).sort((a, b) => a[1] - b[1]);
    const { position = [], normal = [] } = geometry.morphAttributes;
    this.position = floats(/** @type {THREE.BufferAttribute} */ (geometry.attributes.position));
    this.normal = floats(/** @type {THREE.BufferAttribute} */ (geometry.attributes.normal));
    this.restPosition = /** @type {Float32Array} */ (this.position.array).slice();
    this.restNormal = /** @type {Float32Array} */ (this.normal.array).slice();
    this.targets = names
      .map(([name, i]) => ({ column: columns.get(name) ?? -1, position: sparse(/** @type {any} */ (position[i])), normal: sparse(/** @type {any} */ (normal[i])) }))
      .filter((target) => target.column >= 0 && target.position.vertices.length + target.normal.vertices.length > 0);
    this.follow = followers(mesh);
    geometry.morphAttributes = {};
    mesh.morphTargetInfluences = undefined;
    mesh.morphTargetDictionary = undefined;
    geometry.setAttribute("position", this.position);
    geometry.setAttribute("normal", this.normal);
  }

  /**
   * @param {Float32Array | null} row of weights; null: at rest
   * @param {THREE.Matrix4 | null} turn of the head, for meshes whose neck follows it in part
   */
  blend(row, turn) {
    const [position, normal] = [/** @type {Float32Array} */ (this.position.array), /** @type {Float32Array} */ (this.normal.array)];
    position.set(this.restPosition);
    normal.set(this.restNormal);
    for (const target of row ? this.targets : []) {
      const weight = row[target.column];
      if (Math.abs(weight) < LEAST) continue;
      add(position, target.position, weight);
      add(normal, target.normal, weight);
    }
    if (this.follow && turn) this.#turn(position, normal, turn.elements);
    this.position.needsUpdate = true;
    this.normal.needsUpdate = true;
  }

  /** @param {Float32Array} position @param {Float32Array} normal @param {number[]} m elements of a rigid motion, columns first */
  #turn(position, normal, m) {
    for (let i = 0, o = 0; i < this.follow.length; i++, o += 3) {
      const share = this.follow[i];
      if (!share) continue;
      const [x, y, z] = [position[o], position[o + 1], position[o + 2]];
      position[o] += share * (m[0] * x + m[4] * y + m[8] * z + m[12] - x);
      position[o + 1] += share * (m[1] * x + m[5] * y + m[9] * z + m[13] - y);
      position[o + 2] += share * (m[2] * x + m[6] * y + m[10] * z + m[14] - z);
      const [a, b, c] = [normal[o], normal[o + 1], normal[o + 2]];
      normal[o] += share * (m[0] * a + m[4] * b + m[8] * c - a);
      normal[o + 1] += share * (m[1] * a + m[5] * b + m[9] * c - b);
      normal[o + 2] += share * (m[2] * a + m[6] * b + m[10] * c - c);
    }
  }
}
