// Finds a sheet of paper on a darker or lighter background by its shape, and crops the picture to it.

import { eroded } from "./filters.js";
import { border, boxOf, cut, each, mean, rounded, sum, where } from "./grid.js";
import { otsu } from "./otsu.js";
import { areas, label, nearestOutside, withoutHoles } from "./regions.js";
import { shrunk } from "./resample.js";

/** @typedef {import("./grid.js").Grid} Grid */

const GRID = 128; // pixels of the reduced picture in which the sheet is looked for
const SMALLEST = 0.15; // of the picture; smaller things are digits
const SOLID = 0.8; // of the sheet's area is blank
const STRAIGHT = 0.85; // of its smallest upright or turned rectangle; an ellipse fills 0.79 of it
const MARGIN = 0.03; // of the sheet's size is cut off: its edge casts a shadow

/**
 * The sheet's part of a picture, filled up to a rectangle, and its position; without a sheet, the picture itself.
 * @param {Grid} grey @returns {{page: Grid, top: number, left: number}}
 */
export function cutOutPage(grey) {
  const whole = { page: grey, top: 0, left: 0 };
  const sheet = findSheet(shrunk(grey, GRID));
  if (!sheet) return whole;
  const small = eroded(sheet, Math.max(1, rounded(MARGIN * Math.sqrt(sum(sheet.data)))));
  const mask = where(grey, (_, index) => {
    const row = Math.floor((Math.floor(index / grey.columns) * small.rows) / grey.rows);
    return small.data[row * small.columns + Math.floor(((index % grey.columns) * small.columns) / grey.columns)] > 0;
  });
  const box = boxOf(mask);
  if (!box) return whole;
  return { page: continued(cut(grey, box), cut(mask, box)), top: box.top, left: box.left };
}

/** The sheet's mask in a small picture, null for none. */
function findSheet(small) {
  const limit = otsu(small.data);
  const bright = where(small, (value) => value > limit);
  const isBright = mean(border(bright)) > 0.5;
  const labels = label(where(bright, (value) => Boolean(value) !== isBright));
  if (!labels.count) return null;
  const sizes = Array.from(areas(labels));
  const area = Math.max(...sizes);
  const number = sizes.indexOf(area) + 1;
  const filled = withoutHoles(where(labels, (value) => value === number));
  const all = sum(filled.data);
  const isSheet = area < all && all / filled.data.length > SMALLEST && area > SOLID * all;
  return isSheet && all > STRAIGHT * smallestRectangle(filled) ? filled : null;
}

/** The area of the smallest rectangle around a mask; one side lies on an edge of the convex hull. */
function smallestRectangle(mask) {
  const corners = hull(corners4(mask));
  const sides = corners.map(([y, x], i) => {
    const [a, b] = corners[(i + 1) % corners.length];
    const length = Math.hypot(a - y, b - x);
    return [(a - y) / length, (b - x) / length];
  });
  const span = (direction) => {
    const places = corners.map(([y, x]) => y * direction[0] + x * direction[1]);
    return Math.max(...places) - Math.min(...places);
  };
  return Math.min(...sides.map(([y, x]) => span([y, x]) * span([x, -y])));
}

/** The corners of the first and last pixel of each row. */
function corners4({ rows, columns, data }) {
  const points = [];
  for (let y = 0; y < rows; y++) {
    const row = data.subarray(y * columns, (y + 1) * columns);
    const first = row.indexOf(1);
    if (first < 0) continue;
    const last = row.lastIndexOf(1) + 1;
    points.push([y, first], [y + 1, first], [y, last], [y + 1, last]);
  }
  return points;
}

/** The convex hull's corners in order (Andrew's monotone chain). */
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered) => {
    const chain = [];
    for (const point of ordered) {
      while (chain.length > 1 && turn(chain[chain.length - 2], chain[chain.length - 1], point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function turn([a, b], [c, d], [e, f]) {
  return (c - a) * (f - b) - (d - b) * (e - a);
}

/** The picture with pixels outside the mask replaced by the nearest pixel inside. */
function continued(grey, mask) {
  const nearest = nearestOutside(where(mask, (value) => !value));
  return each(grey, (_, index) => grey.data[nearest[index]]);
}
