/**
 * The look of the head: the formula of the video renderer (sedtalker/render/shading.py) as a three.js material, so that the
 * stage and an exported video agree. Lights follow the camera; diffuse light wraps round edges by channel; above 0.7
 * light bends softly towards 1.
 */

import * as THREE from "three";

/** Most lights of a preset that are used. */
const MOST_LIGHTS = 8;

/** @typedef {{azimuth: number, elevation: number, colour: number[], strength: number, specular?: number}} Lamp */
/** @typedef {{about?: string, lights: Lamp[], sky: number[], ground: number[], shadow: number, occlusion?: number, backdrop: number[][]}} Lighting */
/** @typedef {{specular: number, sharpness: number, wrap: number[], shade: number}} Finish how a part reflects */

/** @type {Finish} of parts that the server does not describe */
const PLAIN = { specular: 0.1, sharpness: 4, wrap: [0.42, 0.3, 0.26], shade: 1 };

const VERTEX = /* glsl */ `
#include <common>
#include <color_pars_vertex>
#include <shadowmap_pars_vertex>
#include <normal_pars_vertex>
varying vec2 vTexture;
void main() {
  #include <color_vertex>
  #include <beginnormal_vertex>
  #include <defaultnormal_vertex>
  #include <normal_vertex>
  #include <begin_vertex>
  #include <project_vertex>
  #include <worldpos_vertex>
  #include <shadowmap_vertex>
  #ifdef TEXTURED
    vTexture = uv;
  #endif
}`;

const FRAGMENT = /* glsl */ `
#include <common>
#include <packing>
#include <color_pars_fragment>
#include <lights_pars_begin>
#include <normal_pars_fragment>
#include <shadowmap_pars_fragment>
#include <shadowmask_pars_fragment>
uniform vec3 tint;
uniform float alpha;
uniform float alphaLeast;
uniform sampler2D picture;
uniform vec3 lampDirection[LAMPS];
uniform vec3 lampHalfway[LAMPS];
uniform vec3 lampColour[LAMPS];
uniform float lampSpecular[LAMPS];
uniform vec3 sky;
uniform vec3 ground;
uniform float shadowStrength;
uniform vec3 wrap;
uniform float specular;
uniform float shade;
varying vec2 vTexture;
// Roots and fractions in place of exp and pow, which are slow where WebGL is software; right to 1/255.
vec3 shoulder(vec3 light) {
  vec3 u = max(light - 0.7, 0.0) / 0.3;
  return min(light, 0.7) + 0.3 - 0.3 / (1.0 + u * (1.0 + u * (0.5 + u * (0.16667 + u * 0.0416667))));
}
vec3 encoded(vec3 light) {
  vec3 a = sqrt(light);
  vec3 b = sqrt(a);
  return max(0.662002687 * a + 0.684122060 * b - 0.323583601 * sqrt(b) - 0.0225411470 * light, 0.0);
}
void main() {
  vec4 base = vec4(tint, alpha);
  #ifdef TEXTURED
    base *= texture2D(picture, vTexture);
  #endif
  #if defined(USE_COLOR_ALPHA)
    base *= vColor;
  #elif defined(USE_COLOR)
    base.rgb *= vColor;
  #endif
  if (base.a < alphaLeast) discard;
  vec3 n = normalize(vNormal) * (gl_FrontFacing ? 1.0 : -1.0);
  float up = 0.5 + 0.5 * n.y;
  vec3 light = mix(ground, sky, up);
  vec3 shine = vec3(0.0);
  float lit = 1.0 - shadowStrength * shade * (1.0 - getShadowMask());
  for (int i = 0; i < LAMPS; i++) {
    float facing = dot(n, lampDirection[i]);
    float direct = i == 0 ? lit : 1.0;
    vec3 soft = max((vec3(facing) + wrap) / (1.0 + wrap), 0.0);
    light += lampColour[i] * direct * soft * soft;
    if (facing <= 0.0) continue;
    float gloss = max(dot(n, lampHalfway[i]), 0.0);
    for (int k = 0; k < SHARPNESS; k++) gloss *= gloss;
    shine += lampColour[i] * (gloss * specular * lampSpecular[i] * direct * min(facing * 4.0, 1.0));
  }
  gl_FragColor = vec4(encoded(shoulder(light * base.rgb + shine)), base.a);
}`;

/** What all materials of a stage share: lamps and ambient light. */
export class Lamps {
  constructor() {
    this.uniforms = {
      lampDirection: { value: [new THREE.Vector3(0, 0, 1)] },
      lampHalfway: { value: [new THREE.Vector3(0, 0, 1)] },
      lampColour: { value: [new THREE.Color(1, 0.94, 0.87)] },
      lampSpecular: { value: new Float32Array(1) },
      sky: { value: new THREE.Color(0.24, 0.25, 0.27) },
      ground: { value: new THREE.Color(0.16, 0.13, 0.12) },
      shadowStrength: { value: 0.6 },
    };
    /** @type {Set<THREE.ShaderMaterial>} those that are made with the number of lamps in their program */
    this.materials = new Set();
  }

  /** Direction to the first lamp, in the camera's space. */
  get key() {
    return this.uniforms.lampDirection.value[0];
  }

  /** @param {Lighting} lighting */
  use(lighting) {
    const { lampDirection, lampHalfway, lampColour, lampSpecular, sky, ground, shadowStrength } = this.uniforms;
    const lamps = lighting.lights.slice(0, MOST_LIGHTS);
    const before = lampDirection.value.length;
    lampDirection.value = lamps.map((lamp) => {
      const [azimuth, elevation] = [lamp.azimuth, lamp.elevation].map((x) => (x * Math.PI) / 180);
      return new THREE.Vector3(Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation), Math.cos(azimuth) * Math.cos(elevation));
    });
    lampHalfway.value = lampDirection.value.map((towards) => towards.clone().add(new THREE.Vector3(0, 0, 1)).normalize());
    lampColour.value = lamps.map((lamp) => new THREE.Color().setRGB(lamp.colour[0] * lamp.strength, lamp.colour[1] * lamp.strength, lamp.colour[2] * lamp.strength));
    lampSpecular.value = Float32Array.from(lamps, (lamp) => lamp.specular ?? 1);
    if (before !== lamps.length) {
      for (const material of this.materials) {
        material.defines.LAMPS = lamps.length;
        material.needsUpdate = true;
      }
    }
    sky.value.fromArray(lighting.sky);
    ground.value.fromArray(lighting.ground);
    shadowStrength.value = lighting.shadow;
  }
}

/**
 * @param {THREE.MeshStandardMaterial} look as the file has it
 * @param {Lamps} lamps
 * @param {Finish} [finish]
 * @param {boolean} hasColours whether the vertices have colours
 * @returns {THREE.ShaderMaterial}
 */
export function headMaterial(look, lamps, finish = PLAIN, hasColours = true) {
  const material = new THREE.ShaderMaterial({
    name: look.name,
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    lights: true,
    vertexColors: hasColours,
    side: THREE.DoubleSide,
    shadowSide: THREE.FrontSide,
    transparent: look.transparent,
    defines: { LAMPS: lamps.uniforms.lampDirection.value.length, SHARPNESS: Math.round(finish.sharpness), ...(look.map ? { TEXTURED: "" } : {}) },
    uniforms: THREE.UniformsUtils.merge([
      THREE.UniformsLib.lights,
      {
        tint: { value: look.color },
        alpha: { value: look.opacity },
        alphaLeast: { value: look.alphaTest || (look.transparent ? 0.02 : 0) },
        wrap: { value: new THREE.Vector3(...finish.wrap) },
        specular: { value: finish.specular },
        shade: { value: finish.shade },
      },
    ]),
  });
  material.uniforms.picture = { value: look.map };
  Object.assign(material.uniforms, lamps.uniforms);
  lamps.materials.add(material);
  material.addEventListener("dispose", () => lamps.materials.delete(material));
  return material;
}

/** @param {Lighting} lighting @returns {string} its backdrop as a CSS background */
export function backdropCss(lighting) {
  const css = (/** @type {number[]} */ c) => `rgb(${c.map((x) => Math.round(x * 255)).join(" ")})`;
  return `linear-gradient(${css(lighting.backdrop[0])}, ${css(lighting.backdrop[1])})`;
}
