// Window filters by scipy.ndimage's rules: beyond the border, the nearest pixel is repeated.

import { filled, transposed } from "./grid.js";

/** @typedef {import("./grid.js").Grid} Grid */

/** @param {Grid} image @param {number} deviation in pixels @returns {Grid} */
export function gaussian(image, deviation) {
  const radius = Math.floor(4 * deviation + 0.5);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-0.5 * ((i - radius) / deviation) ** 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const kernel = Float64Array.from(weights, (weight) => weight / total);
  return transposed(alongRows(transposed(alongRows(image, kernel, radius)), kernel, radius));
}

/** The weighted sum of the rows around each row. */
function alongRows(image, kernel, radius) {
  const { rows, columns, data } = image;
  const out = new Float64Array(data.length);
  for (let y = 0; y < rows; y++) for (let k = -radius; k <= radius; k++) {
    const from = Math.min(rows - 1, Math.max(0, y + k)) * columns;
    const weight = kernel[k + radius];
    for (let x = 0; x < columns; x++) out[y * columns + x] += weight * data[from + x];
  }
  return { rows, columns, data: out };
}

/**
 * The percentile of a square window; windows of an even size reach one pixel further up and left. A histogram of the
 * window's ranks is updated while it moves along a row (Huang, Yang & Tang 1979).
 * @param {Grid} image @param {number} percent @param {number} size @returns {Grid}
 */
export function percentile(image, percent, size) {
  const { rows, columns, data } = image;
  const sorted = Float64Array.from(data).sort();
  const ranks = ranksOf(data, sorted);
  const place = Math.floor((size * size * percent) / 100);
  const before = Math.floor(size / 2);
  const inside = (value, count) => Math.min(count - 1, Math.max(0, value));
  const out = filled(rows, columns);
  const counts = new Int32Array(data.length);
  const move = (y, x, change) => {
    for (let a = 0; a < size; a++) counts[ranks[inside(y - before + a, rows) * columns + inside(x, columns)]] += change;
  };
  for (let y = 0; y < rows; y++) {
    counts.fill(0);
    for (let b = 0; b < size; b++) move(y, b - before, 1);
    for (let x = 0; x < columns; x++) {
      out.data[y * columns + x] = sorted[rankAt(counts, place)];
      move(y, x - before, -1);
      move(y, x - before + size, 1);
    }
  }
  return out;
}

/** The rank of each value: its first index among the sorted values. */
function ranksOf(data, sorted) {
  const first = new Map();
  sorted.forEach((value, rank) => first.has(value) || first.set(value, rank));
  return Int32Array.from(data, (value) => first.get(value));
}

/** The rank of the value at `place` among a window's sorted values. */
function rankAt(counts, place) {
  let passed = 0;
  for (let rank = 0; rank < counts.length; rank++) {
    passed += counts[rank];
    if (passed > place) return rank;
  }
  return counts.length - 1;
}

/** The maximum (with `least`, the minimum) of each pixel and its eight neighbours. @param {Grid} image @param {boolean} least @returns {Grid} */
export function ofNeighbours(image, least = false) {
  const { rows, columns, data } = image;
  const sign = least ? -1 : 1;
  const beside = data.slice();
  for (let i = 0; i < data.length; i++) {
    const x = i % columns;
    if (x > 0 && sign * data[i - 1] > sign * beside[i]) beside[i] = data[i - 1];
    if (x < columns - 1 && sign * data[i + 1] > sign * beside[i]) beside[i] = data[i + 1];
  }
  const out = beside.slice();
  for (let i = 0; i < data.length; i++) {
    if (i >= columns && sign * beside[i - columns] > sign * out[i]) out[i] = beside[i - columns];
    if (i < data.length - columns && sign * beside[i + columns] > sign * out[i]) out[i] = beside[i + columns];
  }
  return { rows, columns, data: out };
}

/** @param {Grid} mask @param {number} times @returns {Grid} eroded `times` pixels; outside the grid nothing is set */
export function eroded(mask, times) {
  let result = mask;
  for (let i = 0; i < times; i++) {
    result = ofNeighbours(result, true);
    clearBorder(result);
  }
  return result;
}

function clearBorder({ rows, columns, data }) {
  data.fill(0, 0, columns);
  data.fill(0, (rows - 1) * columns);
  for (let y = 0; y < rows; y++) {
    data[y * columns] = 0;
    data[(y + 1) * columns - 1] = 0;
  }
}
