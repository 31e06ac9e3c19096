// Layers with kernels: convolutions of every kind, and the fully connected layer.

import { asImage, zeros } from "./tensor.js";
import { activated } from "./activations.js";

/** @typedef {import("./tensor.js").Tensor} Tensor @typedef {import("./tensor.js").Layer} Layer */

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function conv(layer, x) {
  const { kernel, bias } = layer.weights;
  return activated(layer, withBias(groupedConvolution(layer, x, kernel, layer.shape, layer.settings.groups), bias));
}

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function depthwiseConv(layer, x) {
  const { kernel, bias } = layer.weights;
  return activated(layer, withBias(depthwise(layer, x, kernel), bias));
}

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function separableConv(layer, x) {
  const { depthwise_kernel, pointwise_kernel, bias } = layer.weights;
  const middle = depthwise(layer, x, depthwise_kernel);
  const out = zeros(layer.shape);
  const positions = layer.shape[0] * layer.shape[1];
  multiply(middle.data, positions, pointwise_kernel.data, layer.shape[2], out.data);
  return activated(layer, withBias(out, bias));
}

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function dense(layer, x) {
  const out = zeros(layer.shape);
  multiply(x.data, 1, layer.weights.kernel.data, layer.shape[0], out.data);
  return activated(layer, withBias(out, layer.weights.bias));
}

/** Euclidean distances to centres (features, units). @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function distances(layer, x) {
  const { data: centres } = layer.weights.centres;
  const out = zeros(layer.shape);
  const units = layer.shape[0];
  for (let unit = 0; unit < units; unit++) {
    let sum = 0;
    for (let i = 0; i < x.data.length; i++) sum += (x.data[i] - centres[i * units + unit]) ** 2;
    out.data[unit] = Math.sqrt(Math.max(sum, layer.settings.leastSquare));
  }
  return out;
}

/**
 * The transpose of a convolution: every input value adds its kernel to the output.
 * @param {Layer} layer @param {Tensor} x @returns {Tensor}
 */
export function transposedConv(layer, x) {
  const { kernel, bias } = layer.weights; // (rows, columns, out, in)
  const [height, width, channels] = x.shape;
  const [rows, columns, filters] = layer.shape;
  const [kernelRows, kernelColumns] = kernel.shape;
  const { stride, dilation, cut } = layer.settings;
  const sums = new Float64Array(rows * columns * filters);
  for (let y = 0; y < height; y++) for (let z = 0; z < width; z++) for (let a = 0; a < kernelRows; a++) {
    const row = y * stride[0] + a * dilation[0] - cut[0];
    if (row < 0 || row >= rows) continue;
    for (let b = 0; b < kernelColumns; b++) {
      const column = z * stride[1] + b * dilation[1] - cut[1];
      if (column < 0 || column >= columns) continue;
      addDots(x.data, (y * width + z) * channels, channels, kernel.data,
        (a * kernelColumns + b) * filters * channels, filters, sums, (row * columns + column) * filters);
    }
  }
  return activated(layer, withBias({ shape: layer.shape, data: Float32Array.from(sums) }, bias));
}

/** Add to `filters` sums the dot products of one pixel with the rows of a kernel. */
function addDots(values, from, channels, kernel, at, filters, sums, to) {
  for (let f = 0; f < filters; f++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += values[from + c] * kernel[at + f * channels + c];
    sums[to + f] += sum;
  }
}

/** Cross-correlation; with groups, each group of filters reads its own channels. */
function groupedConvolution(layer, x, kernel, shape, groups) {
  const [height, width, channels] = x.shape;
  const [rows, columns, filters] = shape;
  const [kernelRows, kernelColumns, inside] = kernel.shape;
  const { stride, dilation, before } = layer.settings;
  const out = zeros(shape);
  const each = filters / groups;
  const sums = new Float64Array(each);
  const taps = new Taps(kernelRows * kernelColumns * inside);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) for (let group = 0; group < groups; group++) {
    taps.clear();
    for (let a = 0; a < kernelRows; a++) {
      const y = row * stride[0] + a * dilation[0] - before[0];
      if (y < 0 || y >= height) continue;
      for (let b = 0; b < kernelColumns; b++) {
        const z = column * stride[1] + b * dilation[1] - before[1];
        if (z < 0 || z >= width) continue;
        const pixel = (y * width + z) * channels + group * inside;
        taps.collect(x.data, pixel, inside, (a * kernelColumns + b) * inside * filters + group * each, filters);
      }
    }
    taps.sum(kernel.data, sums);
    out.data.set(sums, (row * columns + column) * filters + group * each);
  }
  return out;
}

/** Nonzero values, each with its kernel row; after a ReLU, most values are 0. */
class Taps {
  constructor(most) {
    this.values = new Float64Array(most);
    this.rows = new Int32Array(most);
    this.count = 0;
  }

  clear() {
    this.count = 0;
  }

  /** Add `length` values from index `from`; their kernel rows start at `row`, `step` apart. */
  collect(values, from, length, row, step) {
    for (let c = 0; c < length; c++) {
      const value = values[from + c];
      if (value === 0) continue;
      this.values[this.count] = value;
      this.rows[this.count++] = row + c * step;
    }
  }

  /** Set the sums to values times kernel; four rows at a time, to read and write the sums less often. */
  sum(kernel, sums) {
    const { values, rows, count } = this;
    const width = sums.length;
    sums.fill(0);
    let tap = 0;
    for (; tap + 3 < count; tap += 4) {
      const [a, b, c, d] = [values[tap], values[tap + 1], values[tap + 2], values[tap + 3]];
      const [i, j, k, l] = [rows[tap], rows[tap + 1], rows[tap + 2], rows[tap + 3]];
      for (let f = 0; f < width; f++) sums[f] += a * kernel[i + f] + b * kernel[j + f] + c * kernel[k + f] + d * kernel[l + f];
    }
    for (; tap < count; tap++) {
      const value = values[tap];
      const row = rows[tap];
      for (let f = 0; f < width; f++) sums[f] += value * kernel[row + f];
    }
  }
}

/** Convolve each channel separately, with `multiplier` filters per channel. */
function depthwise(layer, x, kernel) {
  const [height, width, channels] = x.shape;
  const [rows, columns] = layer.shape;
  const [kernelRows, kernelColumns, , multiplier] = kernel.shape;
  const { stride, dilation, before } = layer.settings;
  const filters = channels * multiplier;
  const out = zeros([rows, columns, filters]);
  const sums = new Float64Array(filters);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    sums.fill(0);
    for (let a = 0; a < kernelRows; a++) {
      const y = row * stride[0] + a * dilation[0] - before[0];
      if (y < 0 || y >= height) continue;
      for (let b = 0; b < kernelColumns; b++) {
        const z = column * stride[1] + b * dilation[1] - before[1];
        if (z < 0 || z >= width) continue;
        const pixel = (y * width + z) * channels;
        const tap = (a * kernelColumns + b) * filters;
        for (let f = 0; f < filters; f++) sums[f] += x.data[pixel + Math.floor(f / multiplier)] * kernel.data[tap + f];
      }
    }
    out.data.set(sums, (row * columns + column) * filters);
  }
  return out;
}

/** out (positions, units) = x (positions, inputs) times kernel (inputs, units). */
function multiply(x, positions, kernel, units, out) {
  const inputs = x.length / positions;
  const sums = new Float64Array(units);
  const taps = new Taps(inputs);
  for (let position = 0; position < positions; position++) {
    taps.clear();
    taps.collect(x, position * inputs, inputs, 0, units);
    taps.sum(kernel, sums);
    out.set(sums, position * units);
  }
}

/** @param {Tensor} x @param {{data: Float32Array} | undefined} bias @returns {Tensor} x itself, with the bias added */
function withBias(x, bias) {
  if (!bias) return x;
  const filters = asImage(x.shape)[2];
  for (let i = 0; i < x.data.length; i++) x.data[i] += bias.data[i % filters];
  return x;
}
