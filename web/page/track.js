/** The emotion track: colours by category, strength as height, a playhead, and the segments as buttons. */

import { EMOTIONS } from "./src/tables.js";
import { screenRatio } from "./stage/quality.js";

/** @typedef {{start: number, end: number, label: string, confidence?: number, intensity?: number}} Segment */
/** @typedef {{start: number, end: number, kind: string}} Burst */
/** @typedef {{rate: number, intensity: ArrayLike<number>, segments: Segment[], bursts?: Burst[]}} Track */

/** Pixels under the curve, for the axis of time, and over it, for labels; and those before a label. */
const AXIS = 20;
const HEAD = 20;
const BEFORE = 4;
/** Pixels over the axis that a vocal burst is high, and of a line of its text. */
const BURST = 4;
const LINE = 16;
/** Recordings shorter than this show tenths of seconds. */
const SHORT = 60;
/** Least height of a curve, so that its colour is seen. */
const LEAST = 0.07;
/** Shortest stretch of time that is shown, seconds. */
const SHORTEST = 5;

/** @param {string} label @returns {string} */
export const colourOf = (label) => EMOTIONS[label] ?? EMOTIONS.uncertain;

/** @param {number} seconds @param {number} [digits] @returns {string} `1:05` */
export function timeText(seconds, digits = 0) {
  const step = 10 ** digits;
  const whole = Math.floor(seconds * step + 1e-6) / step;
  return `${Math.floor(whole / 60)}:${(whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

/** @param {Segment} segment @returns {string} for people who do not see the colours */
function describe({ start, end, label, intensity }) {
  const strength = intensity === undefined ? "" : `, strength ${Math.round(100 * intensity)} percent`;
  return `${label} from ${timeText(start)} to ${timeText(end)}${strength}`;
}

export class TrackView {
  /**
   * @param {{lane: HTMLElement, curve: HTMLCanvasElement, playhead: HTMLElement, seek: HTMLInputElement, segments: HTMLElement}} parts
   * @param {(time: number) => void} seek called with the time that somebody asks for
   */
  constructor(parts, seek) {
    this.parts = parts;
    this.seek = seek;
    /** @type {Track | null} */
    this.track = null;
    this.duration = 0;
    this.live = false;
    this.current = -1;
    parts.seek.addEventListener("input", () => seek(Number(parts.seek.value)));
    new ResizeObserver(() => this.draw()).observe(parts.lane);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** @param {Track | null} track @param {number} duration seconds @param {boolean} [live] whether it still grows */
  show(track, duration, live = false) {
    this.track = track;
    this.duration = duration;
    this.live = live;
    this.current = -1;
    this.parts.seek.max = String(duration);
    this.parts.seek.disabled = live;
    const bursts = (track?.bursts ?? []).map(({ start, end, kind }) => ({ start, end, label: kind }));
    this.parts.segments.replaceChildren(...(live || !track ? [] : [...track.segments, ...bursts].map((part) => this.#item(part))));
    this.draw();
  }

  /** @param {Segment} segment */
  #item(segment) {
    const button = document.createElement("button");
    const swatch = document.createElement("i");
    swatch.className = "swatch";
    swatch.style.background = segment.label in EMOTIONS ? colourOf(segment.label) : "var(--text)";
    const times = document.createElement("span");
    const digits = Number(this.duration < SHORT);
    times.textContent = `${timeText(segment.start, digits)} – ${timeText(segment.end, digits)}`;
    button.type = "button";
    button.append(swatch, segment.label, times);
    button.setAttribute("aria-label", `${describe(segment)}: go there`);
    button.onclick = () => this.seek(segment.start);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  /** Seconds that the lane is wide. */
  get span() {
    return Math.max(this.duration, SHORTEST * Number(this.live), 1e-3);
  }

  /** @param {number} time seconds */
  moveTo(time) {
    const { playhead, seek, segments, lane } = this.parts;
    playhead.style.transform = `translateX(${(Math.min(time / this.span, 1) * lane.clientWidth).toFixed(1)}px)`;
    if (this.live || !this.track) return;
    if (document.activeElement !== seek || Math.abs(Number(seek.value) - time) > 0.05) seek.value = String(time);
    const now = this.track.segments.findIndex((segment) => time >= segment.start && time < segment.end);
    if (now === this.current) return;
    this.current = now;
    const label = this.track.segments[now]?.label;
    seek.setAttribute("aria-valuetext", `${timeText(time)}${label ? `, ${label}` : ""}`);
    [...segments.children].forEach((item, k) => item.firstElementChild?.setAttribute("aria-current", String(k === now)));
  }

  draw() {
    const { curve: canvas, lane } = this.parts;
    const [width, height] = [lane.clientWidth, lane.clientHeight];
    if (!width || !height) return;
    const ratio = screenRatio();
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(lane);
    const ink = { text: style.getPropertyValue("--text"), dim: style.getPropertyValue("--dim"), line: style.getPropertyValue("--line") };
    pen.font = `13px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    this.#axis(pen, width, height, ink);
    for (const segment of this.track?.segments ?? []) this.#segment(pen, segment, width, height, ink);
    for (const burst of this.track?.bursts ?? []) this.#burst(pen, burst, width, height, ink);
  }

  /** @param {CanvasRenderingContext2D} pen @param {Burst} burst @param {number} width @param {number} height @param {Record<string, string>} ink */
  #burst(pen, { start, end, kind }, width, height, ink) {
    const [left, right] = [(start / this.span) * width, (end / this.span) * width];
    const floor = height - AXIS;
    pen.fillStyle = ink.text;
    pen.fillRect(left, floor - BURST, right - left, BURST);
    const middle = (left + right - pen.measureText(kind).width) / 2;
    pen.fillText(kind, Math.max(0, middle), floor - BURST - LINE / 2);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height @param {Record<string, string>} ink */
  #axis(pen, width, height, ink) {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300];
    const step = steps.find((seconds) => (seconds / this.span) * width >= 64) ?? 600;
    pen.strokeStyle = ink.line;
    pen.fillStyle = ink.dim;
    pen.beginPath();
    pen.moveTo(0, height - AXIS + 0.5);
    pen.lineTo(width, height - AXIS + 0.5);
    for (let time = step; time < this.span; time += step) {
      const x = Math.round((time / this.span) * width) + 0.5;
      pen.moveTo(x, height - AXIS);
      pen.lineTo(x, height - AXIS + 5);
      const text = timeText(time);
      if (x + 18 < width) pen.fillText(text, x - pen.measureText(text).width / 2, height - AXIS / 2 + 2);
    }
    pen.stroke();
  }

  /** @param {CanvasRenderingContext2D} pen @param {Segment} segment @param {number} width @param {number} height @param {Record<string, string>} ink */
  #segment(pen, { start, end, label }, width, height, ink) {
    const { intensity, rate } = /** @type {Track} */ (this.track);
    const [left, right] = [(start / this.span) * width, Math.min(end / this.span, 1) * width];
    const floor = height - AXIS;
    const at = (/** @type {number} */ time) => {
      const row = Math.min(Math.max(Math.floor(time * rate), 0), intensity.length - 1);
      return floor - Math.max(Math.min(intensity[row] ?? 0, 1), LEAST) * (floor - HEAD);
    };
    pen.beginPath();
    pen.moveTo(left, floor);
    for (let x = left; x < right; x += 1) pen.lineTo(x, at((x / width) * this.span));
    pen.lineTo(right, at(end - 0.5 / rate));
    pen.lineTo(right, floor);
    pen.closePath();
    pen.fillStyle = colourOf(label);
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = ink.text;
    pen.globalAlpha = 0.45;
    pen.stroke();
    pen.globalAlpha = 1;
    if (pen.measureText(label).width + BEFORE > right - left) return;
    pen.fillStyle = ink.text;
    pen.fillText(label, left + BEFORE, HEAD / 2 + 1);
  }
}
