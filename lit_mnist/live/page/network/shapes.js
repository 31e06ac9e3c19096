// Layers without weights that pool, pad, crop, enlarge or reorder.

import { count, zeros } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor @typedef {import("./tensor.js").Layer} Layer */

/** Maximum or average of each window; padding is not counted. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function pool(layer, x) {
  const { kind, size, step, before } = layer.settings;
  const [height, width, channels] = x.shape;
  const [rows, columns] = layer.shape;
  const out = zeros(layer.shape);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    const top = Math.max(0, row * step[0] - before[0]);
    const bottom = Math.min(height, row * step[0] - before[0] + size[0]);
    const left = Math.max(0, column * step[1] - before[1]);
    const right = Math.min(width, column * step[1] - before[1] + size[1]);
    for (let c = 0; c < channels; c++) {
      out.data[(row * columns + column) * channels + c] = reduced(x, kind, top, bottom, left, right, c);
    }
  }
  return out;
}

/** Maximum or average of each whole map. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function globalPool(layer, x) {
  const [height, width, channels] = x.shape;
  const values = Array.from({ length: channels }, (_, c) => reduced(x, layer.settings.kind, 0, height, 0, width, c));
  return { shape: layer.shape, data: Float32Array.from(values) };
}

/** The maximum or average of channel `c` in a box. */
function reduced(x, kind, top, bottom, left, right, c) {
  const [, width, channels] = x.shape;
  let sum = 0;
  let highest = -Infinity;
  for (let y = top; y < bottom; y++) for (let z = left; z < right; z++) {
    const value = x.data[(y * width + z) * channels + c];
    sum += value;
    if (value > highest) highest = value;
  }
  return kind === "max" ? highest : sum / ((bottom - top) * (right - left));
}

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function zeroPad(layer, x) {
  const [[top], [left]] = layer.settings.padding;
  return moved(x, layer.shape, top, left);
}

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function cropping(layer, x) {
  const [[top], [left]] = layer.settings.cropping;
  return moved(x, layer.shape, -top, -left);
}

/** The image in a frame of zeros of `shape`, shifted down and right. */
function moved(x, shape, down, right) {
  const out = zeros(shape);
  const [height, width, channels] = x.shape;
  for (let y = 0; y < height; y++) for (let z = 0; z < width; z++) {
    const row = y + down;
    const column = z + right;
    if (row < 0 || row >= shape[0] || column < 0 || column >= shape[1]) continue;
    const from = (y * width + z) * channels;
    out.data.set(x.data.subarray(from, from + channels), (row * shape[1] + column) * channels);
  }
  return out;
}

/** Pixels repeated, or sampled bilinearly between their centres. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function upsampling(layer, x) {
  const [height, width, channels] = x.shape;
  const [rows, columns] = layer.shape;
  const { size, interpolation } = layer.settings;
  const bilinear = interpolation === "bilinear";
  const out = zeros(layer.shape);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    const y = bilinear ? between(row, size[0], height) : [Math.floor(row / size[0]), 0, 0];
    const z = bilinear ? between(column, size[1], width) : [Math.floor(column / size[1]), 0, 0];
    for (let c = 0; c < channels; c++) {
      const at = (a, b) => x.data[(a * width + b) * channels + c];
      const above = bilinear ? at(y[0], z[0]) * (1 - z[2]) + at(y[0], z[1]) * z[2] : at(y[0], z[0]);
      const below = bilinear ? at(y[1], z[0]) * (1 - z[2]) + at(y[1], z[1]) * z[2] : 0;
      out.data[(row * columns + column) * channels + c] = above * (1 - y[2]) + below * y[2];
    }
  }
  return out;
}

/** The two input units of an enlarged one, and the second's weight. */
function between(place, factor, size) {
  const centre = Math.max(0, (place + 0.5) / factor - 0.5);
  const first = Math.min(size - 1, Math.floor(centre));
  return [first, Math.min(size - 1, first + 1), centre - first];
}

/** The image's axes in another order; `dims` counts from 1. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function permute(layer, x) {
  const { dims } = layer.settings;
  const steps = [x.shape[1] * x.shape[2], x.shape[2], 1];
  const [first, second, third] = dims.map((axis) => steps[axis - 1]);
  const out = zeros(layer.shape);
  let to = 0;
  for (let a = 0; a < layer.shape[0]; a++) for (let b = 0; b < layer.shape[1]; b++) for (let c = 0; c < layer.shape[2]; c++) {
    out.data[to++] = x.data[a * first + b * second + c * third];
  }
  return out;
}

/** Rows first, channels last, as Keras reads values. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function reshaped(layer, x) {
  if (count(layer.shape) !== x.data.length) throw new Error(`${layer.name}: ${x.shape} does not become ${layer.shape}`);
  return { shape: layer.shape, data: x.data };
}

/** Layers that do nothing in evaluation: noise, dropout, penalties. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function unchanged(layer, x) {
  return x;
}
