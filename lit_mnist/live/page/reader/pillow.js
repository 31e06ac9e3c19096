// Resizes pictures as Pillow does: antialiased, in 8-bit fixed point or in floating point.

const BITS = 22; // of Pillow's fixed point
const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
};

/**
 * @param {ArrayLike<number>} pixels rows, columns, channels
 * @param {[number, number, number]} shape of `pixels`
 * @param {number} rows @param {number} columns
 * @param {"bilinear" | "box"} filter
 * @param {boolean} isWhole whether pixels are integers 0 to 255, as the result will be
 * @returns {Float64Array}
 */
export function pillowResized(pixels, [height, width, channels], rows, columns, filter, isWhole) {
  const data = Float64Array.from(pixels);
  const across = columns === width ? data : along(data, height, width, channels, columns, filter, isWhole);
  if (rows === height) return across;
  return along(across, 1, height, columns * channels, rows, filter, isWhole);
}

/** Resize the middle axis of (outer, size, inner). */
function along(data, outer, size, inner, target, filter, isWhole) {
  const windows = Array.from({ length: target }, (_, i) => windowOf(i, size, target, FILTERS[filter], isWhole));
  const out = new Float64Array(outer * target * inner);
  for (let o = 0; o < outer; o++) for (let i = 0; i < target; i++) {
    const { first, weights } = windows[i];
    for (let k = 0; k < inner; k++) {
      let sum = isWhole ? 2 ** (BITS - 1) : 0;
      weights.forEach((weight, j) => (sum += weight * data[(o * size + first + j) * inner + k]));
      out[(o * target + i) * inner + k] = isWhole ? Math.min(255, Math.max(0, Math.floor(sum / 2 ** BITS))) : Math.fround(sum);
    }
  }
  return out;
}

/** The input pixels of each new pixel, and their weights. */
function windowOf(place, size, target, { support, weight }, isWhole) {
  const scale = size / target;
  const stretch = Math.max(scale, 1);
  const centre = (place + 0.5) * scale;
  const first = Math.max(0, Math.trunc(centre - support * stretch + 0.5));
  const last = Math.min(size, Math.trunc(centre + support * stretch + 0.5));
  const raw = Array.from({ length: last - first }, (_, j) => weight((j + first - centre + 0.5) / stretch));
  const total = raw.reduce((sum, value) => sum + value, 0);
  const weights = raw.map((value) => (total === 0 ? value : value / total));
  return { first, weights: isWhole ? weights.map((value) => Math.trunc(value * 2 ** BITS + (value < 0 ? -0.5 : 0.5))) : weights };
}

/** Pillow's mode L of a red, green and blue pixel. @returns {number} */
export function luma(red, green, blue) {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

