// Builds the network from its description: every layer's value for one image, logits and probabilities.

import { sigmoid, activated, generalRelu, prelu, softmax } from "./activations.js";
import { conv, dense, depthwiseConv, distances, separableConv, transposedConv } from "./convolutions.js";
import { concatenate, merge } from "./merging.js";
import { batchNorm, groupNorm, layerNorm, normalization, rescaling } from "./scaling.js";
import { cropping, globalPool, permute, pool, reshaped, unchanged, upsampling, zeroPad } from "./shapes.js";
import { bytesOf, count } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor @typedef {import("./tensor.js").Layer} Layer */

/** @type {Record<string, (layer: Layer, ...inputs: Tensor[]) => Tensor>} */
const LAYERS = {
  conv,
  depthwise_conv: depthwiseConv,
  separable_conv: separableConv,
  transposed_conv: transposedConv,
  dense,
  distances,
  pool,
  global_pool: globalPool,
  zero_pad: zeroPad,
  cropping,
  upsampling,
  permute,
  flatten: reshaped,
  reshape: reshaped,
  batch_norm: batchNorm,
  layer_norm: layerNorm,
  group_norm: groupNorm,
  normalization,
  rescaling,
  activation: activated,
  relu: generalRelu,
  prelu,
  add: merge,
  subtract: merge,
  multiply: merge,
  average: merge,
  maximum: merge,
  minimum: merge,
  concatenate,
  unchanged,
};

export class Network {
  /**
   * @param {object} description what `lit_mnist/live/network.py` writes
   * @param {string} weights all weights, float32, little endian, as base64
   */
  constructor(description, weights) {
    const values = new Float32Array(bytesOf(weights).buffer);
    this.inputShape = description.inputShape;
    this.answer = description.answer;
    this.probabilityRule = description.probabilityRule;
    this.innerProbabilities = description.innerProbabilities;
    /** @type {Layer[]} */
    this.layers = description.layers.map((layer) => ({ ...layer, weights: weightsOf(layer.weights, values) }));
    this.layers.forEach(({ name, type }) => {
      if (!LAYERS[type]) throw new Error(`layer ${name}: this page has no ${type}`);
    });
  }

  /** @param {string} name @returns {Layer} */
  layer(name) {
    return this.layers.find((layer) => layer.name === name);
  }

  /**
   * Every layer's value for one image, by name; "input" is the image itself.
   * @param {Float32Array} image rows, columns, channels, standardised
   * @returns {Record<string, Tensor>}
   */
  values(image) {
    /** @type {Record<string, Tensor>} */
    const values = { input: { shape: this.inputShape, data: image } };
    for (const layer of this.layers) {
      values[layer.name] = LAYERS[layer.type](layer, ...layer.inputs.map((name) => values[name]));
    }
    return values;
  }

  /** @param {Record<string, Tensor>} values @returns {number[]} */
  logits(values) {
    const answer = Array.from(values[this.answer].data);
    const inside = (p) => Math.min(1 - 1e-7, Math.max(1e-7, p));
    switch (this.innerProbabilities) {
      case "sigmoid":
        return answer.map((p) => Math.log(inside(p) / (1 - inside(p))));
      case "softmax":
        return answer.map((p) => Math.log(inside(p)));
      default:
        return answer;
    }
  }

  /** Class probabilities; one unit is the logit of class 1 of two. @param {number[]} logits @returns {number[]} */
  probabilities(logits) {
    if (logits.length === 1) return [sigmoid(-logits[0]), sigmoid(logits[0])];
    return this.probabilityRule === "sigmoid" ? logits.map(sigmoid) : softmax(logits);
  }
}

/** Views into the one array of all weights. */
function weightsOf(places, values) {
  const views = Object.entries(places).map(([name, { offset, shape }]) => [
    name, { shape, data: values.subarray(offset, offset + count(shape)) },
  ]);
  return Object.fromEntries(views);
}

/**
 * Pixels 0 to 255 (rows, columns, channels), scaled to the network's input.
 * @param {ArrayLike<number>} pixels
 * @param {{mean: Float64Array, scale: Float64Array, clip: number | null, bgr: boolean}} scaling
 * @param {number} channels
 * @returns {Float32Array}
 */
export function standardized(pixels, scaling, channels) {
  const { mean, scale, clip, bgr } = scaling;
  const result = new Float32Array(pixels.length);
  for (let i = 0; i < result.length; i++) {
    const from = bgr ? i - 2 * (i % channels) + channels - 1 : i;
    const value = (pixels[from] - mean[i % mean.length]) / scale[i % scale.length];
    result[i] = clip === null ? value : Math.min(clip, Math.max(-clip, value));
  }
  return result;
}
