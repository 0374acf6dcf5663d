/** An animation into a GLB that has the morph targets: their weights over time, and the rotation of the node `head`. */

import { frameCount, quaternionOf, TargetWeights } from "./frames.js";

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const BINARY_CHUNK = 0x004e4942;
const FLOAT = 5126;

/**
 * @typedef {object} Glb
 * @property {any} document the JSON
 * @property {Uint8Array} binary
 */

/** @param {ArrayBuffer | Uint8Array} given the bytes, as of Node's `readFile` @returns {Glb} */
export function readGlb(given) {
  const file = new Uint8Array(given).buffer;
  const view = new DataView(file);
  if (file.byteLength < 20 || view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== 2) throw new Error("This is not a GLB of version 2.");
  /** @type {any} */
  let document = null;
  let binary = new Uint8Array(0);
  for (let at = 12; at + 8 <= file.byteLength; ) {
    const [length, kind] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    if (at + 8 + length > file.byteLength) throw new Error("This GLB is cut off.");
    const chunk = new Uint8Array(file, at + 8, length);
    if (kind === JSON_CHUNK) document = JSON.parse(new TextDecoder().decode(chunk));
    else if (kind === BINARY_CHUNK) binary = chunk;
    at += 8 + length;
  }
  if (!document) throw new Error("This GLB holds no scene.");
  return { document, binary };
}

/** @param {Glb} glb @returns {ArrayBuffer} */
export function writeGlb({ document, binary }) {
  const padded = (/** @type {number} */ n) => Math.ceil(n / 4) * 4;
  const text = new TextEncoder().encode(JSON.stringify(document));
  const [textSize, binarySize] = [padded(text.length), padded(binary.length)];
  const file = new ArrayBuffer(28 + textSize + binarySize);
  const [view, bytes] = [new DataView(file), new Uint8Array(file)];
  [MAGIC, 2, file.byteLength, textSize, JSON_CHUNK].forEach((word, k) => view.setUint32(4 * k, word, true));
  bytes.fill(0x20, 20, 20 + textSize);
  bytes.set(text, 20);
  view.setUint32(20 + textSize, binarySize, true);
  view.setUint32(24 + textSize, BINARY_CHUNK, true);
  bytes.set(binary, 28 + textSize);
  return file;
}

/** Collects float tables at the end of a GLB's binary. */
class Tables {
  /** @param {Glb} glb */
  constructor({ document, binary }) {
    this.document = document;
    this.parts = [binary];
    this.size = binary.length;
  }

  /** @param {Float32Array} values @param {"SCALAR" | "VEC4"} type @param {boolean} [bounds] @returns {number} its accessor */
  add(values, type, bounds = false) {
    if (!values.every(Number.isFinite)) throw new RangeError("This animation holds what is no number, which a GLB cannot.");
    const { bufferViews, accessors } = this.document;
    const gap = -this.size & 3;
    this.parts.push(new Uint8Array(gap), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    bufferViews.push({ buffer: 0, byteOffset: this.size + gap, byteLength: values.byteLength });
    this.size += gap + values.byteLength;
    const accessor = { bufferView: bufferViews.length - 1, componentType: FLOAT, count: values.length / (type === "VEC4" ? 4 : 1), type };
    accessors.push(bounds ? { ...accessor, min: [values[0]], max: [values[values.length - 1]] } : accessor);
    return accessors.length - 1;
  }

  /** @returns {Uint8Array} */
  joined() {
    const binary = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.parts) {
      binary.set(part, at);
      at += part.length;
    }
    return binary;
  }
}

/**
 * @param {import("./sedtalker.js").Animation} animation @param {number[]} rest the node's own rotation, from which the head turns
 * @returns {Float32Array} quaternions; neighbours in one hemisphere, so that players take the short way
 */
function quaternions(animation, [x, y, z, w]) {
  const turns = new Float32Array(4 * frameCount(animation));
  for (let frame = 0; frame < turns.length / 4; frame++) {
    const [i, j, k, r] = quaternionOf(animation.head.subarray(3 * frame, 3 * frame + 3));
    const q = [w * i + x * r + y * k - z * j, w * j + y * r + z * i - x * k, w * k + z * r + x * j - y * i, w * r - x * i - y * j - z * k];
    let along = 0;
    for (let k = 0; frame && k < 4; k++) along += q[k] * turns[4 * frame - 4 + k];
    turns.set(along < 0 ? q.map((x) => -x) : q, 4 * frame);
  }
  return turns;
}

/**
 * The GLB with the animation in it, under the name `speech`. Every mesh whose `extras.targetNames` has names of the
 * animation's shapes gets their weights; the node `head`, where there is one, turns.
 * @param {ArrayBuffer | Uint8Array} head a GLB with morph targets
 * @param {import("./sedtalker.js").Animation} animation
 * @param {Record<string, unknown>} [extras] kept in `asset.extras`
 * @returns {ArrayBuffer}
 */
export function animatedGlb(head, animation, extras = {}) {
  const glb = readGlb(head);
  const document = structuredClone(glb.document);
  const tables = new Tables({ document, binary: glb.binary });
  const frames = frameCount(animation);
  const times = tables.add(Float32Array.from({ length: frames }, (_, frame) => frame / animation.fps), "SCALAR", true);
  /** @type {any[]} */
  const [channels, samplers] = [[], []];
  const add = (/** @type {number} */ node, /** @type {string} */ path, /** @type {number} */ output) => {
    channels.push({ sampler: samplers.length, target: { node, path } });
    samplers.push({ input: times, interpolation: "LINEAR", output });
  };
  document.nodes.forEach((/** @type {any} */ node, /** @type {number} */ index) => {
    if (node.name === "head") add(index, "rotation", tables.add(quaternions(animation, node.rotation ?? [0, 0, 0, 1]), "VEC4"));
    const { targetNames, correctives } = document.meshes?.[node.mesh]?.extras ?? {};
    if (!targetNames) return;
    const weigh = new TargetWeights(targetNames, animation.names, animation.tongueNames, correctives);
    if (!weigh.driven) return;
    const rows = new Float32Array(frames * targetNames.length);
    const [wide, tongue] = [animation.names.length, animation.tongueNames.length];
    for (let frame = 0; frame < frames; frame++) {
      const row = rows.subarray(frame * targetNames.length, (frame + 1) * targetNames.length);
      weigh.apply(animation.weights.subarray(frame * wide, (frame + 1) * wide), animation.tongue.subarray(frame * tongue, (frame + 1) * tongue), row);
    }
    add(index, "weights", tables.add(rows, "SCALAR"));
  });
  if (!channels.length) throw new Error("This GLB has no morph targets with the names of ARKit's shapes.");
  document.animations = [...(document.animations ?? []), { name: "speech", channels, samplers }];
  document.asset = { ...document.asset, extras: { ...document.asset.extras, ...extras } };
  const binary = tables.joined();
  document.buffers = [{ byteLength: binary.length }];
  return writeGlb({ document, binary });
}
