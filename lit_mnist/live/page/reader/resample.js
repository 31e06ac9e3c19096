// Antialiased resampling: every new pixel is the mean of the old pixels' area that it covers.

import { rounded, transposed } from "./grid.js";

/** @typedef {import("./grid.js").Grid} Grid */

/**
 * The mean of `image`, 0 outside, between neighbouring edges of rows and of columns.
 * @param {Grid} image @param {number[]} rows @param {number[]} columns @returns {Grid}
 */
export function areaMean(image, rows, columns) {
  return transposed(means(transposed(means(image, rows)), columns));
}

/** The mean of the rows between neighbouring edges, by differences of a running sum. */
function means(image, edges) {
  const { rows, columns, data } = image;
  const sums = new Float64Array((rows + 1) * columns);
  for (let i = 0; i < data.length; i++) sums[i + columns] = sums[i] + data[i];
  const out = new Float64Array((edges.length - 1) * columns);
  const at = (edge, x) => {
    const inside = Math.min(rows, Math.max(0, edge));
    const below = Math.min(Math.floor(inside), rows - 1);
    const part = inside - below;
    return (1 - part) * sums[below * columns + x] + part * sums[(below + 1) * columns + x];
  };
  for (let x = 0; x < columns; x++) {
    let before = at(edges[0], x);
    for (let y = 0; y + 1 < edges.length; y++) {
      const after = at(edges[y + 1], x);
      out[y * columns + x] = (after - before) / (edges[y + 1] - edges[y]);
      before = after;
    }
  }
  return { rows: edges.length - 1, columns, data: out };
}

/** @param {number} end @param {number} count @returns {number[]} `count` + 1 even steps from 0 to `end` */
function steps(end, count) {
  return Array.from({ length: count + 1 }, (_, i) => (i === count ? end : (i * end) / count));
}

/** @param {Grid} image @param {number} rows @param {number} columns @returns {Grid} shrunk to that size */
export function resized(image, rows, columns) {
  const low = rows === image.rows ? image : means(image, steps(image.rows, rows));
  return columns === image.columns ? low : transposed(means(transposed(low), steps(image.columns, columns)));
}

/** @param {Grid} image @param {number} longest @returns {Grid} longest side at most that, aspect kept */
export function shrunk(image, longest) {
  const factor = longest / Math.max(image.rows, image.columns);
  if (factor >= 1) return image;
  const side = (size) => Math.max(1, rounded(size * factor));
  return resized(image, side(image.rows), side(image.columns));
}

/**
 * The value of `image` between pixels: linear interpolation, constant beyond its edges.
 * @param {Grid} image @param {number} y @param {number} x @returns {number}
 */
export function interpolated(image, y, x) {
  const { rows, columns, data } = image;
  const row = Math.min(rows - 1, Math.max(0, y));
  const column = Math.min(columns - 1, Math.max(0, x));
  const top = Math.min(Math.floor(row), Math.max(0, rows - 2));
  const left = Math.min(Math.floor(column), Math.max(0, columns - 2));
  const below = Math.min(top + 1, rows - 1) * columns;
  const right = Math.min(left + 1, columns - 1);
  const [down, across] = [row - top, column - left];
  const above = (1 - across) * data[top * columns + left] + across * data[top * columns + right];
  return (1 - down) * above + down * ((1 - across) * data[below + left] + across * data[below + right]);
}

/**
 * `image` at `rows` by `columns`, sampled linearly between pixel centres.
 * @param {Grid} image @param {number} rows @param {number} columns @returns {Grid}
 */
export function enlarged(image, rows, columns) {
  const data = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const row = ((y + 0.5) * image.rows) / rows - 0.5;
    data[y * columns + x] = interpolated(image, row, ((x + 0.5) * image.columns) / columns - 0.5);
  }
  return { rows, columns, data };
}
