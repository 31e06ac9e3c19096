// Activations, by the definitions of `lit_mnist/network/activations.py`.

import { asImage, mapped } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor @typedef {import("./tensor.js").Layer} Layer */

const SELU_SCALE = 1.0507009873554804934193349852946;
const SELU_ALPHA = 1.6732632423543772848170429916717;

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
export const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => (x > 40 ? x : Math.log1p(Math.exp(x)));

/** @type {Record<string, (alpha: number | null) => (x: number) => number>} */
const RULES = {
  relu: () => (x) => (x > 0 ? x : 0),
  relu6: () => (x) => clamp(x, 0, 6),
  elu: (alpha) => (x) => (x > 0 ? x : (alpha ?? 1) * Math.expm1(x)),
  selu: () => (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
  leaky_relu: (alpha) => (x) => (x > 0 ? x : (alpha ?? 0.3) * x),
  tanh: () => Math.tanh,
  sigmoid: () => sigmoid,
  softplus: () => softplus,
  softsign: () => (x) => x / (1 + Math.abs(x)),
  exponential: () => Math.exp,
  hard_sigmoid: () => (x) => clamp(x + 3, 0, 6) / 6,
  hard_sigmoid_keras2: () => (x) => clamp(0.2 * x + 0.5, 0, 1),
  silu: () => (x) => x * sigmoid(x),
  hard_swish: () => (x) => (x * clamp(x + 3, 0, 6)) / 6,
  gelu: () => (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  gelu_tanh: () => (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  mish: () => (x) => x * Math.tanh(softplus(x)),
};

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} x after the layer's activation */
export function activated(layer, x) {
  const { activation, alpha } = layer.settings;
  if (activation === "linear" || (layer.isAnswer && (activation === "softmax" || activation === "sigmoid"))) return x;
  return activation === "softmax" ? softmaxOfChannels(x) : mapped(x, RULES[activation](alpha));
}

/** Keras' general ReLU. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function generalRelu(layer, x) {
  const { slope, threshold, maximum } = layer.settings;
  const highest = maximum ?? Infinity;
  return mapped(x, (v) => (v > threshold ? clamp(v, 0, highest) : slope * Math.min(0, v - threshold)));
}

/** A learned slope for each value below 0, 1 where shared. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function prelu(layer, x) {
  const { alpha } = layer.weights;
  const [, width, channels] = asImage(x.shape);
  const [rows, columns, slopes] = asImage(alpha.shape);
  const slope = (index) => {
    const channel = index % channels;
    const column = Math.floor(index / channels) % width;
    const row = Math.floor(index / (channels * width));
    return alpha.data[((rows > 1 ? row : 0) * columns + (columns > 1 ? column : 0)) * slopes + (slopes > 1 ? channel : 0)];
  };
  return { shape: x.shape, data: x.data.map((v, index) => (v > 0 ? v : slope(index) * v)) };
}

/** @param {ArrayLike<number>} logits @returns {number[]} */
export function softmax(logits) {
  const values = Array.from(logits);
  const highest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** @param {Tensor} x @returns {Tensor} the softmax over the channels of each position */
function softmaxOfChannels(x) {
  const channels = asImage(x.shape)[2];
  const out = { shape: x.shape, data: new Float32Array(x.data.length) };
  for (let at = 0; at < x.data.length; at += channels) out.data.set(softmax(x.data.subarray(at, at + channels)), at);
  return out;
}

/**
 * The error function: its series near 0, a continued fraction of its complement elsewhere (Abramowitz & Stegun 7.1.5
 * and 7.1.14), to about 1e-15.
 * @param {number} x @returns {number}
 */
function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction);
}
