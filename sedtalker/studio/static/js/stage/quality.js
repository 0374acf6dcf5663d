/**
 * How finely the head is drawn. While it plays, pictures that come too slowly are drawn with fewer pixels, then without
 * shadows; as soon as it stands still, all of them are back. Where WebGL is software, smoothing by four samples a pixel
 * costs more than more pixels in a still picture.
 */

/** Share of the screen's pixels along a side, and whether shadows are drawn, from the best on. */
const TIERS = [{ share: 1, shadows: true }, { share: 0.7, shadows: true }, { share: 0.5, shadows: false }];
/** Milliseconds between pictures above which the next tier is taken. */
const SLOW = 42;
/** Pictures after a change before the next one. */
const PATIENCE = 10;
/** Milliseconds without a change after which the picture stands still. */
const REST = 300;
/** Share of the pixels in a still picture where WebGL is software. */
const STILL = 1.25;

/** @returns {number} pixels of the screen a CSS pixel that are drawn; another one once the window is on another screen */
export const screenRatio = () => Math.min(devicePixelRatio, 2);

/** @type {boolean | null} */
let known = null;

/** @returns {boolean} whether WebGL is computed by the processor, or is not there */
export const software = () => (known ??= isSoftware());

/** @returns {boolean} whether there is WebGL at all */
export function hasWebGl() {
  software();
  return found;
}

let found = false;

function isSoftware() {
  const context = document.createElement("canvas").getContext("webgl2");
  found = context !== null;
  if (!context) return true;
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const name = String(context.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

export class Quality {
  /** @param {boolean} software */
  constructor(software) {
    this.software = software;
    this.moving = false;
    this.tier = software ? 2 : 0;
    this._mean = 0;
    this._count = 0;
    this._at = 0;
    this._changed = 0;
    this._ratio = this.ratio;
  }

  /** @returns {number} pixels of the picture a CSS pixel */
  get ratio() {
    const screen = screenRatio();
    if (this.moving) return screen * TIERS[this.tier].share;
    return this.software ? Math.max(screen, STILL) : screen;
  }

  get shadows() {
    return !this.moving || TIERS[this.tier].shadows;
  }

  /** Something that is seen changed just now. */
  changed() {
    this._changed = performance.now();
  }

  /** @param {boolean} plays @returns {boolean} whether the ratio changed: pictures follow each other or no longer, or the window went to another screen */
  update(plays) {
    const moving = plays || performance.now() - this._changed < REST;
    if (moving !== this.moving) this._at = this._count = 0;
    this.moving = moving;
    const before = this._ratio;
    this._ratio = this.ratio;
    return this._ratio !== before;
  }

  /** A picture was drawn. @returns {boolean} whether the ratio changed */
  drew() {
    const now = performance.now();
    const passed = now - this._at;
    this._at = now;
    if (!this.moving || passed > 2000) return false;
    this._count += 1;
    this._mean = this._count === 1 ? passed : 0.8 * this._mean + 0.2 * passed;
    if (this._count < PATIENCE || this._mean < SLOW || this.tier === TIERS.length - 1) return false;
    this.tier += 1;
    this._ratio = this.ratio;
    this._count = 0;
    return true;
  }
}
