// Connected regions of masks, and each pixel's nearest pixel outside a mask.

import { padded, cut, where } from "./grid.js";

/** @typedef {import("./grid.js").Grid} Grid @typedef {import("./grid.js").Box} Box */

/**
 * Connected pixels numbered from 1, in the order of their first pixel; 0 outside the mask.
 * @param {Grid} mask @param {boolean} corners whether pixels that touch by a corner are connected
 * @returns {{rows: number, columns: number, data: Int32Array, count: number}}
 */
export function label(mask, corners = false) {
  const { rows, columns, data } = mask;
  const labels = new Int32Array(data.length);
  const stack = [];
  let count = 0;
  for (let seed = 0; seed < data.length; seed++) {
    if (!data[seed] || labels[seed]) continue;
    labels[seed] = ++count;
    stack.push(seed);
    while (stack.length) {
      const at = stack.pop();
      const y = Math.floor(at / columns);
      const x = at % columns;
      for (let a = -1; a <= 1; a++) for (let b = -1; b <= 1; b++) {
        if ((!corners && a !== 0 && b !== 0) || y + a < 0 || y + a >= rows || x + b < 0 || x + b >= columns) continue;
        const next = at + a * columns + b;
        if (!data[next] || labels[next]) continue;
        labels[next] = count;
        stack.push(next);
      }
    }
  }
  return { rows, columns, data: labels, count };
}

/** @param {{data: Int32Array, count: number}} labels @returns {Int32Array} pixels of each region, from region 1 on */
export function areas(labels) {
  const result = new Int32Array(labels.count);
  for (const number of labels.data) if (number) result[number - 1]++;
  return result;
}

/** @param {Grid} mask @returns {Grid} with its holes filled: the pixels that are not 4-connected to the outside */
export function withoutHoles(mask) {
  const wide = padded(mask, 1);
  const outside = label(where(wide, (value) => !value));
  const solid = where(outside, (number) => number !== 1); // the first region is that of the corner
  return cut(solid, { top: 1, left: 1, bottom: mask.rows + 1, right: mask.columns + 1 });
}

/**
 * The index of the nearest pixel outside the mask for each pixel, -1 where there is none; exact; of equally
 * near pixels, scipy's choice (Maurer, Qi & Raghavan 2003, rows first).
 * @param {Grid} mask @returns {Int32Array}
 */
export function nearestOutside(mask) {
  const { rows, columns, data } = mask;
  const nearest = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) nearest[i] = data[i] ? -1 : i;
  const line = new Line(Math.max(rows, columns));
  for (let x = 0; x < columns; x++) {
    line.clear();
    for (let y = 0; y < rows; y++) {
      const index = nearest[y * columns + x];
      if (index >= 0) line.add(index, y, 0);
    }
    line.write(nearest, x, columns, rows);
  }
  for (let y = 0; y < rows; y++) {
    line.clear();
    for (let x = 0; x < columns; x++) {
      const index = nearest[y * columns + x];
      if (index >= 0) line.add(index, x, (Math.floor(index / columns) - y) ** 2);
    }
    line.write(nearest, y * columns, 1, columns);
  }
  return nearest;
}

/** The candidates of one line: pixels with a position along it and a squared distance from it. */
class Line {
  constructor(most) {
    this.index = new Int32Array(most);
    this.place = new Int32Array(most);
    this.offset = new Int32Array(most);
    this.count = 0;
  }

  clear() {
    this.count = 0;
  }

  /** Add a candidate further along the line; drop those that are then nearest to no pixel. */
  add(index, place, offset) {
    while (this.count > 1 && this.isHidden(this.count - 1, place, offset)) this.count--;
    this.index[this.count] = index;
    this.place[this.count] = place;
    this.offset[this.count++] = offset;
  }

  isHidden(last, place, offset) {
    const a = this.place[last] - this.place[last - 1];
    const b = place - this.place[last];
    return (a + b) * this.offset[last] - b * this.offset[last - 1] - a * offset - a * b * (a + b) > 0;
  }

  distance(candidate, place) {
    return (this.place[candidate] - place) ** 2 + this.offset[candidate];
  }

  /** Give each pixel of the line its nearest candidate; without candidates nothing changes. */
  write(nearest, from, step, length) {
    if (!this.count) return;
    let best = 0;
    for (let i = 0; i < length; i++) {
      while (best + 1 < this.count && this.distance(best, i) > this.distance(best + 1, i)) best++;
      nearest[from + i * step] = this.index[best];
    }
  }
}

/** @param {Grid} mask @returns {Grid} each pixel's distance to the nearest one outside the mask, 0 there */
export function edgeDistance(mask) {
  const { rows, columns } = mask;
  const nearest = nearestOutside(mask);
  const data = new Float64Array(nearest.length);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const index = nearest[y * columns + x];
    const row = Math.floor(index / columns);
    data[y * columns + x] = Math.sqrt((row - y) ** 2 + (index - row * columns - x) ** 2);
  }
  return { rows, columns, data };
}
