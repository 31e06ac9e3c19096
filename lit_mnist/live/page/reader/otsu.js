// Two classes of grey levels: the threshold that separates them best, and how well it does.

import { mean, range, sum } from "./grid.js";

const BINS = 128;

/**
 * The threshold that best separates values into two classes; values below 0 count as 0.
 * N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979.
 * @param {ArrayLike<number>} values @returns {number}
 */
export function otsu(values) {
  const top = range(values)[1];
  if (!(top > 0)) return 0;
  const edges = Array.from({ length: BINS + 1 }, (_, i) => (i === BINS ? top : i * (top / BINS)));
  const counts = histogram(values, edges);
  const total = sum(counts);
  const whole = sum(counts.map((count, bin) => (count * (edges[bin] + edges[bin + 1])) / 2));
  const between = [];
  let [below, part] = [0, 0];
  for (let bin = 0; bin < BINS - 1; bin++) {
    below += counts[bin];
    part += (counts[bin] * (edges[bin] + edges[bin + 1])) / 2;
    const above = total - below;
    const gap = (whole - part) / above - part / below;
    between.push(above && below ? below * above * gap ** 2 : 0);
  }
  const limit = range(between)[1] * (1 - 1e-9); // a gap gives a plateau: take its middle
  return mean(edges.slice(1, BINS).filter((_, bin) => between[bin] >= limit));
}

/** The number of values in each bin, by NumPy's rule for values at edges. */
function histogram(values, edges) {
  const counts = new Array(BINS).fill(0);
  const top = edges[BINS];
  for (let i = 0; i < values.length; i++) {
    const value = Math.max(0, values[i]);
    let bin = Math.min(BINS - 1, Math.floor((value / top) * BINS));
    if (value < edges[bin]) bin--;
    else if (value >= edges[bin + 1] && bin !== BINS - 1) bin++;
    counts[bin]++;
  }
  return counts;
}

/**
 * The fraction of the variance that is between the values below `limit` and the others.
 * @param {Float64Array} values @param {number} limit @returns {number}
 */
export function separability(values, limit) {
  let [count, light, total] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    total += values[i];
    if (values[i] >= limit) continue;
    light += values[i];
    count++;
  }
  const middle = total / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - middle) ** 2;
  if (squares === 0 || count === 0 || count === values.length) return 0;
  const fraction = count / values.length;
  const gap = (total - light) / (values.length - count) - light / count;
  return (fraction * (1 - fraction) * gap ** 2 * values.length) / squares;
}
