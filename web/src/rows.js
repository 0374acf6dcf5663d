/** Rows of numbers that come at the end and go at the beginning: the last seconds of a stream. */

/** Rows of one width in one growing array; ``values`` is a view that the next change makes stale. */
export class Rows {
  /** @param {number} width values of a row */
  constructor(width) {
    this.width = width;
    this.held = new Float32Array(64 * width);
    this.start = 0;
    this.length = 0;
  }

  /** All rows, flat. */
  get values() {
    return this.part(0, this.length);
  }

  /** Rows from ``first`` to ``end``, flat. */
  part(first, end) {
    return this.held.subarray((this.start + first) * this.width, (this.start + end) * this.width);
  }

  /**
   * Room for more rows at the end.
   * @param {number} count
   * @returns {Float32Array} the view to fill
   */
  grow(count) {
    const end = this.start + this.length + count;
    if (end * this.width > this.held.length) {
      const held = new Float32Array(2 * (this.length + count) * this.width);
      held.set(this.values);
      this.held = held;
      this.start = 0;
    }
    this.length += count;
    return this.part(this.length - count, this.length);
  }

  /** Rows (N, width) at the end. */
  append(values) {
    this.grow(values.length / this.width).set(values);
  }

  /** Only the first ``count`` rows stay. */
  cut(count) {
    this.length = count;
  }

  /** The first ``count`` rows go. */
  drop(count) {
    this.start += count;
    this.length -= count;
  }
}

/** @param {Float32Array[]} parts @returns {Float32Array} one after another */
export function joined(parts) {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
