// Layers with several inputs: elementwise operations, and concatenation along an axis.

import { asImage, count, zeros } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor @typedef {import("./tensor.js").Layer} Layer */

const COMBINE = {
  add: (a, b) => a + b,
  average: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  maximum: Math.max,
  minimum: Math.min,
};

/** Combine two inputs at a time from the left; an axis of size 1 is repeated. @param {Layer} layer @param {...Tensor} inputs @returns {Tensor} */
export function merge(layer, ...inputs) {
  const combine = COMBINE[layer.type];
  const total = inputs.reduce((a, b) => combined(a, b, combine));
  const divisor = layer.type === "average" ? inputs.length : 1;
  return { shape: layer.shape, data: divisor === 1 ? total.data : total.data.map((value) => value / divisor) };
}

function combined(a, b, combine) {
  if (count(a.shape) === count(b.shape)) return { shape: a.shape, data: a.data.map((value, i) => combine(value, b.data[i])) };
  const one = asImage(a.shape);
  const other = asImage(b.shape);
  const out = zeros(one.map((side, axis) => Math.max(side, other[axis])));
  const [, columns, channels] = out.shape;
  for (let i = 0; i < out.data.length; i++) {
    const place = [Math.floor(i / (columns * channels)), Math.floor(i / channels) % columns, i % channels];
    out.data[i] = combine(a.data[index(place, one)], b.data[index(place, other)]);
  }
  return out;
}

/** The index of a position in an image whose axes of size 1 are repeated. */
function index(place, shape) {
  return place.reduce((at, where, axis) => at * shape[axis] + (shape[axis] > 1 ? where : 0), 0);
}

/** @param {Layer} layer @param {...Tensor} inputs @returns {Tensor} */
export function concatenate(layer, ...inputs) {
  const out = zeros(layer.shape);
  const { place } = layer.settings; // the axis, counted from 0
  const blocks = inputs.map((input) => count(input.shape.slice(place)));
  const whole = blocks.reduce((sum, size) => sum + size, 0);
  let offset = 0;
  inputs.forEach((input, number) => {
    const size = blocks[number];
    for (let row = 0; row * size < input.data.length; row++) {
      out.data.set(input.data.subarray(row * size, (row + 1) * size), row * whole + offset);
    }
    offset += size;
  });
  return out;
}
