// The weights of one map or unit, as images.

import { count } from "./network/tensor.js";

/** @typedef {import("./network/tensor.js").Layer} Layer */

/**
 * One image of weights.
 * @typedef {{rows: number, columns: number, data: Float32Array, label: string}} KernelImage
 */

/**
 * The kernel of a map for each input channel; a unit's weights in the shape of the flattened image.
 * @param {import("./network/network.js").Network} network @param {Layer} layer @param {number} map
 * @returns {{title: string, images: KernelImage[]}}
 */
export function kernelsOf(network, layer, map) {
  const { kernel, depthwise_kernel: depthwise, pointwise_kernel: pointwise } = layer.weights;
  switch (layer.type) {
    case "conv":
      return listed("Kernel, by channel", byChannel(kernel, map, firstChannel(layer, map)));
    case "transposed_conv":
      return listed("Kernel, by channel", byChannel(kernel, map, 0, true));
    case "depthwise_conv": {
      const multiplier = kernel.shape[3];
      const channel = Math.floor(map / multiplier);
      return listed("Kernel", [imageOf(kernel, (tap) => (tap * kernel.shape[2] + channel) * multiplier + (map % multiplier), `channel ${channel}`)]);
    }
    case "separable_conv":
      return listed("Depthwise kernels, and their weights in this map", [...everyDepthwise(depthwise), row(pointwise, map)]);
    case "dense":
      return denseOf(network, layer, map);
    default:
      return { title: "", images: [] };
  }
}

function listed(title, images) {
  return { title: images.length > 1 ? `${title} (${images.length})` : title, images };
}

/** With groups, a map reads only the channels of its group. */
function firstChannel(layer, map) {
  const { groups } = layer.settings;
  const [, , inside, filters] = layer.weights.kernel.shape;
  return Math.floor(map / (filters / groups)) * inside;
}

/** Kernels (rows, columns, in, out), or with `isTransposed` (rows, columns, out, in). */
function byChannel(kernel, map, first, isTransposed = false) {
  const [, , a, b] = kernel.shape;
  const channels = isTransposed ? b : a;
  return Array.from({ length: channels }, (_, channel) => imageOf(kernel,
    (tap) => (isTransposed ? (tap * a + map) * b + channel : (tap * a + channel) * b + map), `channel ${first + channel}`));
}

function everyDepthwise(kernel) {
  const filters = kernel.shape[2] * kernel.shape[3];
  return Array.from({ length: filters }, (_, filter) => imageOf(kernel, (tap) => tap * filters + filter, `filter ${filter}`));
}

/** @returns {KernelImage} the weights at `index` of each position of the kernel */
function imageOf(kernel, index, label) {
  const [rows, columns] = kernel.shape;
  const data = Float32Array.from({ length: rows * columns }, (_, tap) => kernel.data[index(tap)]);
  return { rows, columns, data, label };
}

/** One unit's weights in a matrix (..., in, out), as a row. */
function row(kernel, unit) {
  const units = kernel.shape[kernel.shape.length - 1];
  const inputs = count(kernel.shape) / units;
  return { rows: 1, columns: inputs, data: Float32Array.from({ length: inputs }, (_, i) => kernel.data[i * units + unit]), label: "weights" };
}

function denseOf(network, layer, unit) {
  const whole = row(layer.weights.kernel, unit);
  const shape = flattened(network, layer);
  if (!shape) return { title: "Weights", images: [whole] };
  const [rows, columns, channels] = shape;
  return listed("Weights, by channel", Array.from({ length: channels }, (_, channel) => ({
    rows, columns, label: `channel ${channel}`, data: whole.data.filter((_, index) => index % channels === channel),
  })));
}

/** The shape of the image that was flattened before a dense layer, or null. */
function flattened(network, layer) {
  let before = network.layers.find(({ name }) => name === layer.inputs[0]);
  while (before && before.type === "unchanged") before = network.layers.find(({ name }) => name === before.inputs[0]);
  return before?.type === "flatten" && before.inputShape.length === 3 ? before.inputShape : null;
}
