/** The head in its light, drawn by three.js with the materials of SEDTalker's own renderer. */

import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { Head } from "./stage/head.js";
import { hasWebGl, Quality, software } from "./stage/quality.js";
import { backdropCss, Lamps } from "./stage/shading.js";
import { TargetWeights } from "./src/frames.js";

/** @typedef {import("./src/frames.js").Frame} Frame */

/** How far a key turns the view, radians. */
const KEY_TURN = 0.12;
const SHADOW_SIZE = 1024;

export class Stage {
  /** @param {HTMLElement} place has the canvas @param {HTMLCanvasElement} canvas @param {any} described head.json */
  constructor(place, canvas, described) {
    this.place = place;
    this.canvas = canvas;
    this.described = described;
    if (!hasWebGl()) throw new Error("The face cannot be drawn: this browser gives no WebGL 2. The emotion track and the downloads work without it.");
    this.quality = new Quality(software());
    const attributes = { canvas, antialias: !this.quality.software, alpha: true };
    this.renderer = new THREE.WebGLRenderer(/** @type {any} */ (attributes));
    this.renderer.setClearColor(0, 0);
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = THREE.PCFShadowMap;
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(described.view.fov, 1, 0.02, 20);
    this.controls = new OrbitControls(this.camera, canvas);
    Object.assign(this.controls, { enablePan: false, enableZoom: false, minPolarAngle: 1, maxPolarAngle: 2 });
    this.controls.minAzimuthAngle = -1.2;
    this.controls.maxAzimuthAngle = 1.2;
    this.controls.addEventListener("change", () => (this.dirty = true));
    canvas.addEventListener("keydown", (event) => this.#turn(event));
    this.lamps = new Lamps();
    this.lamps.use(described.lighting);
    place.style.background = backdropCss(described.lighting);
    this.sun = new THREE.DirectionalLight(0xffffff, 0);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(SHADOW_SIZE, SHADOW_SIZE);
    this.scene.add(this.sun, this.sun.target);
    this.dirty = true;
    this.lost = false;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.lost = true;
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.dirty = true;
    });
  }

  /** @param {ArrayBuffer} glb */
  async show(glb) {
    const { parts, materials, targets, names, tongueNames, correctives, view } = this.described;
    this.head = await Head.read(glb, targets, this.lamps, { parts, materials });
    this.row = new Float32Array(targets.length + 4);
    this.weigh = new TargetWeights(targets, names, tongueNames, correctives);
    this.scene.add(this.head.scene);
    this.head.rest();
    this.controls.target.fromArray(view.target);
    this.camera.position.fromArray(view.position);
    const away = this.camera.position.distanceTo(this.controls.target);
    Object.assign(this.camera, { near: away / 50, far: away * 20 });
    const size = this.head.box().getSize(new THREE.Vector3()).y;
    const shadow = this.sun.shadow;
    Object.assign(shadow.camera, { left: -0.6 * size, right: 0.6 * size, top: 0.6 * size, bottom: -0.6 * size, near: 0.1 * size, far: 4 * size });
    shadow.camera.updateProjectionMatrix();
    Object.assign(shadow, { normalBias: 0.006 * size, bias: -0.0006, radius: 3 });
    this.size = size;
    this.controls.update();
    new ResizeObserver(() => this.#resize()).observe(this.place);
    this.#resize();
  }

  /** @param {Frame} frame */
  pose(frame) {
    this.weigh.apply(frame.weights, frame.tongue, this.row);
    this.row.set(frame.head, this.described.targets.length);
    this.head.pose(this.row);
    this.dirty = true;
  }

  /** Draw, if anything has changed. @param {boolean} moving whether the face does, so that slow computers get fewer pixels */
  draw(moving) {
    if (!this.head || this.lost) return;
    if (this.dirty) this.quality.changed();
    if (this.quality.update(moving)) this.#resize();
    if (!this.dirty) return;
    this.dirty = false;
    const towards = this.lamps.key.clone().transformDirection(this.camera.matrixWorld);
    this.sun.target.position.copy(this.controls.target);
    this.sun.position.copy(this.controls.target).addScaledVector(towards, 2 * this.size);
    this.sun.castShadow = this.quality.shadows;
    this.renderer.render(this.scene, this.camera);
    if (this.quality.drew()) this.#resize();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !height) return;
    this.renderer.setPixelRatio(this.quality.ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.dirty = true;
  }

  /** @param {KeyboardEvent} event */
  #turn(event) {
    const turns = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });
    const turn = turns[event.key];
    if (!turn) return;
    event.preventDefault();
    const offset = new THREE.Spherical().setFromVector3(this.camera.position.clone().sub(this.controls.target));
    offset.theta += turn[0] * KEY_TURN;
    offset.phi += turn[1] * KEY_TURN;
    this.camera.position.setFromSpherical(offset).add(this.controls.target);
    this.controls.update();
    this.dirty = true;
  }
}
