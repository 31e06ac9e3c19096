// Ruled and squared paper: straight lines from edge to edge are removed, and strokes that cross them repaired.

import { each, mean, partitioned, sum, transposed } from "./grid.js";
import { resized } from "./resample.js";

/** @typedef {import("./grid.js").Grid} Grid */

const STRIPS = 20;
const SLOPES = Array.from({ length: 33 }, (_, i) => (i === 32 ? 0.08 : -0.08 + i * (0.16 / 32)));
const MISSING = 3; // strips in which a line may be missing
const INK = 0.6; // of the strokes' contrast; a single line at least as dark is a stroke

/** @param {Grid} contrast @param {number} faintest @returns {Grid} without lines darker than `faintest` */
export function withoutLines(contrast, faintest) {
  const { rows, columns } = contrast;
  if (rows < 2 * STRIPS || columns < 2 * STRIPS) return contrast; // too small for lines and strokes to differ
  const across = rowsOf(contrast, transposed(resized(contrast, rows, STRIPS)), faintest);
  const mendedOnce = across ? mended(contrast, across) : contrast;
  const down = rowsOf(mendedOnce, resized(mendedOnce, STRIPS, columns), faintest);
  return down ? transposed(mended(transposed(mendedOnce), down)) : mendedOnce;
}

/**
 * The lines across strips of a picture, one strip in each row; null for none.
 * @param {Grid} contrast @param {Grid} strips @param {number} faintest
 * @returns {{line: Float64Array, rows: boolean[], slope: number, ink: number} | null}
 */
function rowsOf({ data }, strips, faintest) {
  const height = strips.columns;
  const width = data.length / height;
  const profiles = SLOPES.map((slope) => profile(strips, (slope * width) / STRIPS));
  const strength = profiles.map((values) => sum(values.map((value) => Math.max(0, value) ** 2)));
  const best = strength.indexOf(Math.max(...strength));
  const line = profiles[best];
  const rows = Array.from(line, (value) => value > faintest);
  const tail = Math.max(4, Math.floor(data.length / 500));
  const ink = mean(partitioned(data, data.length - tail).subarray(-tail));
  const starts = rows.filter((on, y) => on && y > 0 && !rows[y - 1]).length;
  if (starts < 2) rows.forEach((on, y) => (rows[y] = on && line[y] < INK * ink));
  const marked = rows.filter(Boolean).length;
  return marked === 0 || marked > 0.5 * height ? null : { line, rows, slope: SLOPES[best], ink };
}

/** The contrast that nearly all strips reach along each line with a slope of `step` rows per strip. */
function profile(strips, step) {
  const height = strips.columns;
  const least = new Float64Array(height * (MISSING + 1)).fill(Infinity); // each row's least so far, in order
  for (let strip = 0; strip < STRIPS; strip++) {
    const values = strips.data.subarray(strip * height, (strip + 1) * height);
    const offset = step * (strip - (STRIPS - 1) / 2);
    for (let y = 0; y < height; y++) insert(least, y * (MISSING + 1), between(values, y + offset));
  }
  return least.filter((_, index) => index % (MISSING + 1) === MISSING);
}

/** Insert a value into a row's smallest values, in order. */
function insert(least, from, value) {
  let place = from + MISSING;
  if (value >= least[place]) return;
  for (; place > from && least[place - 1] > value; place--) least[place] = least[place - 1];
  least[place] = value;
}

/** Linear interpolation in a row of numbers, constant beyond its ends. */
function between(values, place) {
  const inside = Math.min(values.length - 1, Math.max(0, place));
  const first = Math.min(Math.floor(inside), values.length - 2);
  return values[first] + (inside - first) * (values[first + 1] - values[first]);
}

/** Replace the pixels of lines by those above and below, except where a stroke is darker than its line. */
function mended(contrast, { line, rows, slope, ink }) {
  const { rows: height, columns: width, data } = contrast;
  const near = rows.map((on, y) => (on || rows[y - 1] || rows[y + 1] ? 1 : 0));
  const out = each(contrast, (value) => value);
  for (let x = 0; x < width; x++) {
    const offset = slope * (x - (width - 1) / 2);
    const hidden = near.map((_, y) => between(near, y - offset) > 0.01);
    const bare = hidden.flatMap((isHidden, y) => (isHidden ? [] : [y]));
    if (!bare.length) continue;
    let next = 0;
    for (let y = 0; y < height; y++) {
      while (next < bare.length && bare[next] < y) next++;
      if (!hidden[y]) continue;
      const value = data[y * width + x];
      const level = between(line, y - offset);
      if (value <= level + 0.4 * (ink - level)) out.data[y * width + x] = Math.min(across(data, width, x, bare, next, y), value);
    }
  }
  return out;
}

/** The contrast between the bare pixels above and below row `y` of a column. */
function across(data, width, x, bare, next, y) {
  const above = bare[Math.max(0, next - 1)];
  const below = bare[Math.min(bare.length - 1, next)];
  const [first, last] = [data[above * width + x], data[below * width + x]];
  return above === below ? first : first + ((y - above) / (below - above)) * (last - first);
}
