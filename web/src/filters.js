/** Filters, quantiles and interpolation over frames, as scipy.ndimage and numpy have them. */

/**
 * The quantile of values, linear between neighbours.
 * @param {ArrayLike<number>} values at least one
 * @param {number} share in [0, 1]
 */
export function quantile(values, share) {
  return sortedQuantile(Float64Array.from(values).sort(), share);
}

/** The same of values that are sorted already. */
export function sortedQuantile(sorted, share) {
  const rank = share * (sorted.length - 1);
  const low = sorted[Math.floor(rank)];
  return low + (rank - Math.floor(rank)) * (sorted[Math.ceil(rank)] - low);
}

/**
 * Linear interpolation of y at increasing x, held beyond both ends.
 * @param {ArrayLike<number>} at increasing places
 * @param {ArrayLike<number>} x increasing, at least one
 * @param {ArrayLike<number>} y
 */
export function interpolate(at, x, y) {
  const out = new Float64Array(at.length);
  const last = x.length - 1;
  for (let i = 0, low = 0; i < at.length; i++) {
    while (low < last && x[low + 1] <= at[i]) low++;
    if (at[i] <= x[0]) out[i] = y[0];
    else if (low >= last) out[i] = y[last];
    else out[i] = y[low] + ((y[low + 1] - y[low]) * (at[i] - x[low])) / (x[low + 1] - x[low]);
  }
  return out;
}

/**
 * Rows (T, width) given at increasing times, linearly interpolated to other increasing times, held at both ends.
 * @param {ArrayLike<number>} values
 * @param {number} width
 * @param {ArrayLike<number>} times (T)
 * @param {ArrayLike<number>} target (N)
 * @returns {Float32Array} (N, width)
 */
export function resampleRows(values, width, times, target) {
  const place = interpolate(target, times, Float64Array.from(times, (_, i) => i));
  const out = new Float32Array(target.length * width);
  for (let i = 0; i < target.length; i++) {
    const low = Math.max(0, Math.min(Math.floor(place[i]), times.length - 2));
    const high = Math.min(low + 1, times.length - 1);
    const share = place[i] - low;
    for (let k = 0; k < width; k++) {
      out[i * width + k] = (1 - share) * values[low * width + k] + share * values[high * width + k];
    }
  }
  return out;
}

/** The index of a place beyond the ends of ``count`` values, mirrored at their outer edges (scipy's ``reflect``). */
function reflected(index, count) {
  const period = 2 * count;
  const inside = ((index % period) + period) % period;
  return inside < count ? inside : period - 1 - inside;
}

/** The index of a place beyond the ends, held. */
function held(index, count) {
  return Math.min(Math.max(index, 0), count - 1);
}

/**
 * A Gaussian low-pass of rows (T, width), cut off at four deviations.
 * @param {ArrayLike<number>} values
 * @param {number} deviation frames
 * @param {{width?: number, mode?: "reflect" | "nearest"}} [options]
 * @returns {Float64Array}
 */
export function gaussian(values, deviation, { width = 1, mode = "reflect" } = {}) {
  const radius = Math.floor(4 * deviation + 0.5);
  const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-0.5 * ((k - radius) / deviation) ** 2));
  const total = kernel.reduce((sum, value) => sum + value, 0);
  return convolve(values, kernel.map((value) => value / total), { width, mode });
}

/**
 * A symmetric kernel of odd length over rows (T, width).
 * @param {ArrayLike<number>} values
 * @param {Float64Array} kernel
 * @param {{width?: number, mode?: "reflect" | "nearest"}} [options]
 */
export function convolve(values, kernel, { width = 1, mode = "reflect" } = {}) {
  const count = values.length / width;
  const radius = (kernel.length - 1) / 2;
  const beyond = mode === "reflect" ? reflected : held;
  const padded = new Float64Array((count + 2 * radius) * width);
  for (let i = -radius; i < count + radius; i++) {
    const from = i < 0 || i >= count ? beyond(i, count) : i;
    for (let k = 0; k < width; k++) padded[(i + radius) * width + k] = values[from * width + k];
  }
  const out = new Float64Array(values.length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let j = 0, from = i; j < kernel.length; j++, from += width) sum += kernel[j] * padded[from];
    out[i] = sum;
  }
  return out;
}

/**
 * The mean over ``size`` frames about each, the ends held; of an even size, one more before than after.
 * @param {ArrayLike<number>} values
 * @param {number} size
 */
export function movingMean(values, size) {
  const before = Math.floor(size / 2);
  const out = new Float64Array(values.length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let j = i - before; j < i - before + size; j++) sum += values[held(j, values.length)];
    out[i] = sum / size;
  }
  return out;
}

/**
 * The greatest of ``size`` values about each, odd; nothing counts beyond the ends.
 * @param {ArrayLike<number>} values
 * @param {number} size
 */
export function movingMaximum(values, size) {
  const radius = (size - 1) / 2;
  const out = new Float64Array(values.length);
  for (let i = 0; i < out.length; i++) {
    let most = -Infinity;
    const end = Math.min(values.length - 1, i + radius);
    for (let j = Math.max(0, i - radius); j <= end; j++) if (values[j] > most) most = values[j];
    out[i] = most;
  }
  return out;
}

/**
 * The value at a rank of ``size`` values about each, odd, the ends held.
 * @param {ArrayLike<number>} values
 * @param {number} percent the rank is this part of the size, rounded down
 * @param {number} size
 */
export function movingPercentile(values, percent, size) {
  const radius = (size - 1) / 2;
  const rank = Math.floor((size * percent) / 100);
  const out = new Float64Array(values.length);
  const sorted = Array.from({ length: size }, (_, k) => values[held(k - radius, values.length)]).sort((a, b) => a - b);
  for (let i = 0; i < out.length; i++) {
    out[i] = sorted[rank];
    sorted.splice(placeIn(sorted, values[held(i - radius, values.length)]), 1);
    const next = values[held(i + radius + 1, values.length)];
    sorted.splice(placeIn(sorted, next), 0, next);
  }
  return out;
}

/**
 * The first place in sorted values at which nothing smaller follows.
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 */
export function placeIn(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * (first, end) of each run of true frames.
 * @param {ArrayLike<number | boolean>} mask
 * @returns {[number, number][]}
 */
export function runsOf(mask) {
  /** @type {[number, number][]} */
  const found = [];
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const first = i;
    while (i < mask.length && mask[i]) i++;
    found.push([first, i]);
  }
  return found;
}

/**
 * Values held between two bounds.
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
export function clip(value, least, most) {
  return value < least ? least : value > most ? most : value;
}
