/** Landmarks on the head: points that are moved over its surface, by pointer or keys, and sent back for a new registration. */

import * as THREE from "three";
import { getJson } from "../api.js";
import { clamp } from "../dom.js";
import { announce } from "../notices.js";
import { startJob } from "../session.js";
import { store } from "../store.js";
import { stage } from "./stage.js";

/** Pixels around a point in which it is taken hold of. */
const REACH = 14;
/** Pixels that a key moves a point, and how much larger the chosen one is. */
const [STEP, CHOSEN] = [2, 1.7];
/** @type {Record<string, [number, number]>} where keys move it, right and up */
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** Radius of a point, as a share of the head's size. */
const RADIUS = 0.0056;

class Landmarks {
  constructor() {
    this.shown = false;
    this.movable = true;
    /** @type {{name: string, position: THREE.Vector3, first: THREE.Vector3, ball: THREE.Mesh}[]} */
    this.points = [];
    /** @type {Set<number>} indices of moved ones */
    this.moved = new Set();
    /** @type {string | null} */
    this.about = null;
    this._group = new THREE.Group();
    this._held = -1;
    /** index of the one that keys move */
    this._chosen = -1;
    this._ray = new THREE.Raycaster();
    if (!stage.ready) return;
    stage.scene.add(this._group);
    const canvas = stage.canvas;
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.#take(event), { capture: true });
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.#drag(event));
    canvas.addEventListener("lostpointercapture", () => { this._held = -1; });
    canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event), { capture: true });
    store.on("head", () => this.hide());
  }

  #changed() {
    store.changed("landmarks");
    stage.redraw();
  }

  /** The face at rest, with its points. */
  async show() {
    const { points, movable } = await getJson("landmarks");
    this.hide();
    this.movable = movable;
    const ball = new THREE.SphereGeometry(RADIUS * stage.size, 12, 8);
    this.points = points.map((/** @type {any} */ point) => {
      const position = new THREE.Vector3(...point.position);
      const mesh = new THREE.Mesh(ball, new THREE.MeshBasicMaterial({ color: 0xf0e442, depthTest: false, transparent: true, opacity: 0.95 }));
      mesh.renderOrder = 5;
      mesh.position.copy(position);
      this._group.add(mesh);
      return { name: point.name, position, first: position.clone(), ball: mesh };
    });
    this.shown = true;
    this.about = `${this.points.length} points. ${this.movable ? "Drag one to its place on the head, or with the head in focus choose it by Page Up and Down and move it by Shift and the arrows; then register again." : "They belong to this face and stay where they are."}`;
    stage.resting = true;
    announce(`${this.points.length} landmarks are shown`);
    this.#changed();
  }

  hide() {
    for (const { ball } of this.points) /** @type {any} */ (ball.material).dispose();
    this.points[0]?.ball.geometry.dispose();
    this._group.clear();
    this.points = [];
    this._chosen = -1;
    this.moved.clear();
    this.shown = false;
    stage.resting = false;
    this.#changed();
  }

  /** Every point where it was. */
  restore() {
    for (const point of this.points) {
      point.position.copy(point.first);
      point.ball.position.copy(point.first);
      /** @type {any} */ (point.ball.material).color.set(0xf0e442);
    }
    this.moved.clear();
    this.#changed();
  }

  /** Fit the face again with the points as they are now; they stay until there is another head. */
  send() {
    const given = Object.fromEntries([...this.moved].map((i) => [this.points[i].name, this.points[i].position.toArray()]));
    return startJob("landmarks", "register", given);
  }

  /** @param {PointerEvent} event @returns {THREE.Vector2} in [-1, 1] */
  #place(event) {
    const box = stage.canvas.getBoundingClientRect();
    return new THREE.Vector2(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2);
  }

  /** @param {PointerEvent} event */
  #take(event) {
    if (!this.shown || !this.movable || event.button > 0) return;
    const box = stage.canvas.getBoundingClientRect();
    const at = this.#place(event);
    let best = REACH;
    this._held = -1;
    this.points.forEach((point, i) => {
      const seen = point.position.clone().project(stage.camera);
      const off = Math.hypot(((seen.x - at.x) * box.width) / 2, ((seen.y - at.y) * box.height) / 2);
      if (off < best) [best, this._held] = [off, i];
    });
    if (this._held < 0) return;
    event.stopImmediatePropagation();
    stage.canvas.setPointerCapture(event.pointerId);
    announce(this.points[this._held].name);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (this._held >= 0) this.#put(this._held, this.#place(event));
  }

  /** @param {KeyboardEvent} event Page Up and Down choose a point, Shift and the arrows move it */
  #key(event) {
    if (!this.shown || !this.movable) return;
    const count = this.points.length;
    const to = { PageDown: this._chosen + 1, PageUp: this._chosen < 0 ? count - 1 : this._chosen - 1 + count }[event.key];
    const way = event.shiftKey && this._chosen >= 0 ? WAYS[event.key] : undefined;
    if (to === undefined && !way) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (to !== undefined) {
      this._chosen = to % count;
      this.points.forEach(({ ball }, i) => ball.scale.setScalar(i === this._chosen ? CHOSEN : 1));
      announce(this.points[this._chosen].name);
      this.#changed();
      return;
    }
    const box = stage.canvas.getBoundingClientRect();
    const seen = this.points[this._chosen].position.clone().project(stage.camera);
    this.#put(this._chosen, new THREE.Vector2(seen.x + (2 * STEP * way[0]) / box.width, seen.y + (2 * STEP * way[1]) / box.height));
  }

  /** @param {number} index @param {THREE.Vector2} at move a point to where the head is seen there, in [-1, 1] */
  #put(index, at) {
    if (!stage.head) return;
    at.set(clamp(at.x, -1, 1), clamp(at.y, -1, 1));
    this._ray.setFromCamera(at, stage.camera);
    const hit = this._ray.intersectObjects(stage.head.meshes, false)[0];
    if (!hit) return;
    const point = this.points[index];
    point.position.copy(hit.point);
    point.ball.position.copy(hit.point);
    /** @type {any} */ (point.ball.material).color.set(0xff5a36);
    this.moved.add(index);
    this.#changed();
  }
}

export const landmarks = new Landmarks();
