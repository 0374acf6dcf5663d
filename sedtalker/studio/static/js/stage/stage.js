/** The stage: camera, light, the head drawn at the clock's time, and two of it side by side. */

import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { request } from "../api.js";
import { clock } from "../clock.js";
import { byId, press } from "../dom.js";
import { complain, log } from "../notices.js";
import { drawn } from "../session.js";
import { weights } from "../signals.js";
import { store } from "../store.js";
import { EXTRA_COLUMNS, Head } from "./head.js";
import { hasWebGl, Quality, software } from "./quality.js";
import { backdropCss, Lamps } from "./shading.js";

/** Pixels of a side of the shadow's map. */
const SHADOW_SIZE = 1024;

class Stage {
  constructor() {
    this.canvas = byId("stage-canvas");
    this.ready = false;
    /** @type {Head | null} */
    this.head = null;
    this.lamps = new Lamps();
    /** row of weights that is drawn in place of the clock's: live, or the face at rest */
    this.override = /** @type {Float32Array | null} */ (null);
    this.resting = false;
    this.row = new Float32Array(0);
    this.wantsShadows = true;
    this.shown = { time: 0, frame: 0, at: 0, version: -1 };
    this._dirty = true;
    this._loads = 0;
    this._last = { time: -1, version: -1, b: -1 };
    try {
      this._build();
      this.ready = true;
    } catch (error) {
      log(String(error), "bad");
      this._noPicture();
    }
  }

  _build() {
    if (!hasWebGl()) throw new Error("no WebGL 2");
    this.quality = new Quality(software());
    const attributes = { canvas: this.canvas, antialias: !this.quality.software, alpha: true, powerPreference: "high-performance" };
    this.renderer = new THREE.WebGLRenderer(/** @type {any} */ (attributes));
    this.renderer.setClearColor(0, 0);
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = THREE.PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera();
    this.camera.position.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enableDamping = false;
    this.controls.listenToKeyEvents?.(this.canvas);
    this.controls.addEventListener("change", () => this.redraw());
    this.shadowLamp = new THREE.DirectionalLight(0xffffff, 0);
    this.shadowLamp.castShadow = true;
    this.shadowLamp.shadow.mapSize.set(SHADOW_SIZE, SHADOW_SIZE);
    this.shadowLamp.shadow.radius = 3;
    this.scene.add(this.shadowLamp, this.shadowLamp.target);
    this.canvas.addEventListener("webglcontextlost", (/** @type {Event} */ event) => {
      event.preventDefault();
      log("the graphics card was taken away; waiting for it", "bad");
    });
    this.canvas.addEventListener("webglcontextrestored", () => this.redraw());
    new ResizeObserver(() => this._resize()).observe(byId("stage"));
    this._resize();
  }

  _noPicture() {
    const message = byId("stage-message");
    message.hidden = false;
    message.innerHTML = "<h2>The head cannot be drawn</h2><p>This browser gives no WebGL 2. Everything else works: the timeline, the sound, edits and exports. Try another browser, or allow hardware acceleration in its settings.</p>";
    byId("stage").querySelector(".stage-tools").hidden = true;
    this.canvas.hidden = true;
  }

  _resize() {
    const { clientWidth, clientHeight } = byId("stage");
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(this.quality.ratio);
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.redraw();
  }

  /** Something changed that is seen. */
  redraw() {
    this._dirty = true;
  }

  /** Fetch the head that the server has. */
  async loadHead() {
    if (!this.ready) return;
    const { face } = store.state;
    const load = ++this._loads;
    try {
      const described = { parts: face.parts, materials: store.state.options?.materials };
      const head = await Head.read(await (await request("head.glb")).arrayBuffer(), face.shapes, this.lamps, described);
      if (load !== this._loads) head.dispose();
      else this._swap(head);
    } catch (error) {
      complain(error);
    }
  }

  /** @param {Head} head */
  _swap(head) {
    if (this.head) {
      this.scene.remove(this.head.scene);
      this.head.dispose();
    }
    this.head = head;
    this.scene.add(head.scene);
    head.wireframe(byId("wireframe").getAttribute("aria-pressed") === "true");
    this.row = new Float32Array(head.shapes.length + EXTRA_COLUMNS);
    this.resetView();
    store.changed("head");
    this.redraw();
  }

  /** The camera as in the videos. */
  resetView() {
    if (!this.head) return;
    this.head.rest();
    this.head.scene.updateMatrixWorld(true);
    const box = this.head.box();
    const size = box.getSize(new THREE.Vector3());
    this.size = Math.max(size.x, size.y, size.z);
    const { view } = store.state.face;
    this.camera.fov = view.fov;
    this.camera.position.fromArray(view.position);
    this.controls.target.fromArray(view.target);
    const away = this.camera.position.distanceTo(this.controls.target);
    this.camera.near = away / 50;
    this.camera.far = away * 20;
    this.controls.minDistance = away / 12;
    this.controls.maxDistance = away * 6;
    const shadow = this.shadowLamp.shadow.camera;
    Object.assign(shadow, { left: -0.6 * this.size, right: 0.6 * this.size, top: 0.6 * this.size, bottom: -0.6 * this.size, near: 0.1 * this.size, far: 4 * this.size });
    shadow.updateProjectionMatrix();
    this.shadowLamp.shadow.normalBias = 0.006 * this.size;
    this.shadowLamp.shadow.bias = -0.0006;
    this._middle = box.getCenter(new THREE.Vector3());
    this.controls.update();
    this.redraw();
  }

  /** @param {string} name of a light preset */
  useLight(name) {
    const lighting = store.state?.options?.lights?.[name];
    if (!lighting) return;
    this.lamps.use(lighting);
    byId("stage").style.background = backdropCss(lighting);
    this.redraw();
  }

  /** @param {boolean} on */
  useShadows(on) {
    if (!this.ready) return;
    this.wantsShadows = on;
    press(byId("shadows"), on);
    this.redraw();
  }

  /** @param {number} time @returns {boolean} whether the last picture is of this time and of what is known now */
  _shows(time) {
    const last = this._last;
    return !this._dirty && !this.override && last.time === time && last.version === weights.a.version && last.b === weights.b.version;
  }

  /** @returns {boolean} whether the head stands still and is drawn as finely as it can be */
  get still() {
    return this._shows(clock.shownTime()) && !this.quality.moving;
  }

  /** Draw if anything changed since the last time. @returns {boolean} whether it drew */
  frame() {
    if (!this.ready) {
      drawn();
      return false;
    }
    const time = clock.shownTime();
    const still = this._shows(time);
    if (!still) this.quality.changed();
    const resized = this.quality.update(clock.playing || Boolean(this.override));
    if (resized) this._resize();
    if (still && !resized) return false;
    this._last = { time, version: weights.a.version, b: weights.b.version };
    this._dirty = false;
    this._draw(time);
    if (this.quality.drew()) this._resize();
    drawn();
    return true;
  }

  /** @param {number} time */
  _draw(time) {
    const { renderer, canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const two = store.state?.compare && !this.override && weights.b.count > 0;
    if (!this.head || !width || !height) {
      renderer.clear();
      return;
    }
    this.shadowLamp.castShadow = this.wantsShadows && this.quality.shadows;
    const views = two ? [weights.a, weights.b] : [weights.a];
    renderer.setScissorTest(views.length > 1);
    views.forEach((source, i) => {
      const left = Math.round((i * width) / views.length);
      const wide = Math.round(((i + 1) * width) / views.length) - left;
      this._pose(source, time);
      this._aim(wide / height);
      renderer.setViewport(left, 0, wide, height);
      renderer.setScissor(left, 0, wide, height);
      renderer.shadowMap.needsUpdate = this.shadowLamp.castShadow;
      renderer.render(this.scene, this.camera);
    });
    // What is asked about afterwards (inspector, tests) is variant A.
    if (two) this._pose(weights.a, time);
    this.shown = { time, frame: Math.round(time * weights.a.fps), at: performance.now(), version: weights.a.version };
  }

  /** @param {import("../signals.js").Weights} source @param {number} time */
  _pose(source, time) {
    if (this.resting) this.head.rest();
    else if (this.override) {
      this.row.set(this.override.subarray(0, this.row.length));
      this.head.pose(this.row);
    }
    else if (source.columns === this.row.length && source.sample(time, this.row)) this.head.pose(this.row);
    else this.head.rest();
  }

  /** @param {number} aspect the lamp follows the camera; a narrow picture steps back so that the head fits */
  _aim(aspect) {
    this.camera.aspect = aspect;
    this.camera.zoom = Math.min(1, aspect / 0.64);
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
    const towards = this.lamps.key.clone().transformDirection(this.camera.matrixWorld);
    this.shadowLamp.target.position.copy(this._middle);
    this.shadowLamp.position.copy(this._middle).addScaledVector(towards, 2 * this.size);
  }
}

export const stage = new Stage();
