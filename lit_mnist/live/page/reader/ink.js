// The amount of ink on each pixel, corrected for polarity, uneven light, ruled lines and noise.

import { gaussian, percentile } from "./filters.js";
import { each, mean, median, partitioned, range, rounded, sum } from "./grid.js";
import { withoutLines } from "./lines.js";
import { otsu, separability } from "./otsu.js";
import { enlarged, shrunk } from "./resample.js";

/** @typedef {import("./grid.js").Grid} Grid */

const GRID = 32; // pixels of the reduced picture in which the light is estimated
const CLEAR = 0.8; // separability above which ink and paper are two classes
const FAINTEST = 5; // grey levels out of 255 that a stroke must differ from its paper

/** @param {Grid} grey 0 to 255, dark on light or light on dark @returns {{contrast: Grid, threshold: number}} */
export function findInk(grey) {
  const dark = isDarkOnLight(grey) ? grey : each(grey, (value) => 255 - value);
  const paper = fromPaper(darkContrast(dark));
  const contrast = withoutLines(paper.contrast, Math.max(FAINTEST, paper.noise));
  return { contrast, threshold: Math.max(FAINTEST, 4 * paper.noise, 0.8 * otsu(contrast.data)) };
}

/** Whether the strokes are darker than the border, whose light may vary linearly. @param {Grid} grey @returns {boolean} */
function isDarkOnLight(grey) {
  const plane = borderPlane(grey);
  const difference = each(grey, (value, index) => value - plane(Math.floor(index / grey.columns), index % grey.columns));
  const tail = Math.max(4, Math.floor(grey.data.length / 500));
  const least = partitioned(difference.data, tail).subarray(0, tail);
  const largest = partitioned(difference.data, difference.data.length - tail).subarray(-tail);
  return -mean(least) >= mean(largest);
}

/** The plane through the outermost pixels, by least squares; outliers are left out once. */
function borderPlane(grey) {
  const { rows, columns, data } = grey;
  const margin = Math.max(1, Math.floor(Math.min(rows, columns) / 28));
  const ring = [];
  for (let y = 0; y < rows; y++) {
    const isEdge = y < margin || y >= rows - margin;
    for (let x = 0; x < columns; x = !isEdge && x === margin - 1 ? columns - margin : x + 1) ring.push(y * columns + x);
  }
  const values = ring.map((index) => data[index]);
  const middle = median(values);
  const limit = 3 * 1.4826 * absoluteDeviation(values) + 8;
  const kept = ring.filter((index) => Math.abs(data[index] - middle) <= limit);
  const [level, down, right] = leastSquares(
    kept.map((index) => Math.floor(index / columns) / rows),
    kept.map((index) => (index % columns) / columns),
    kept.map((index) => data[index]),
  );
  return (y, x) => level + (down * y) / rows + (right * x) / columns;
}

/** a, b and c of values a + b y + c x, by the normal equations of centred positions. */
function leastSquares(y, x, values) {
  const [top, left, level] = [mean(y), mean(x), mean(values)];
  let [yy, xx, xy, yv, xv] = [0, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const [a, b, c] = [y[i] - top, x[i] - left, values[i] - level];
    yy += a * a;
    xx += b * b;
    xy += a * b;
    yv += a * c;
    xv += b * c;
  }
  const determinant = yy * xx - xy * xy;
  if (Math.abs(determinant) < 1e-12) return [level, 0, 0];
  const down = (yv * xx - xv * xy) / determinant;
  const right = (xv * yy - yv * xy) / determinant;
  return [level - down * top - right * left, down, right];
}

function absoluteDeviation(values) {
  const middle = median(values);
  const deviations = Float64Array.from(values);
  for (let i = 0; i < deviations.length; i++) deviations[i] = Math.abs(deviations[i] - middle);
  return median(deviations);
}

/** Paper minus grey, with the paper's light estimated around each pixel. @param {Grid} grey @returns {Grid} */
function darkContrast(grey) {
  const small = shrunk(grey, GRID);
  const longest = Math.max(small.rows, small.columns);
  let paper = percentile(small, 80, Math.max(3, rounded(0.45 * longest)));
  const spread = Math.max(1, 0.1 * longest);
  for (let round = 0; round < 3; round++) {
    const difference = each(small, (value, index) => paper.data[index] - value);
    const limit = Math.max(FAINTEST, 0.5 * otsu(difference.data));
    const blank = each(difference, (value) => (Math.abs(value) < limit ? 1 : 0));
    const weight = gaussian(blank, spread).data;
    const level = gaussian(each(blank, (value, index) => value * small.data[index]), spread).data;
    const before = paper.data;
    paper = each(paper, (_, i) => (weight[i] > 0.02 ? level[i] / Math.max(weight[i], 1e-6) : before[i]));
  }
  const isWhole = small.rows === grey.rows && small.columns === grey.columns;
  const light = isWhole ? paper : enlarged(paper, grey.rows, grey.columns);
  return each(grey, (value, index) => light.data[index] - value);
}

/** The contrast relative to the paper, and the standard deviation of the paper's noise. */
function fromPaper(contrast) {
  const [low] = range(contrast.data);
  const raised = each(contrast, (value) => value - low).data;
  const limit = otsu(raised);
  const paper = separability(raised, limit) > CLEAR ? lighter(contrast.data, raised, limit) : contrast.data;
  const middle = median(paper);
  return { contrast: each(contrast, (value) => value - middle), noise: 1.4826 * absoluteDeviation(paper) };
}

/** The values whose `raised` counterparts are below `limit`. */
function lighter(values, raised, limit) {
  const result = new Float64Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (raised[i] < limit) result[count++] = values[i];
  return result.subarray(0, count);
}
