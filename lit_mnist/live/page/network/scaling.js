// Layers that scale and shift: by constants, by learned weights, by statistics.

import { asImage, byChannel } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor @typedef {import("./tensor.js").Layer} Layer */

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function batchNorm(layer, x) {
  const { gamma, beta, moving_mean: mean, moving_variance: variance } = layer.weights;
  return byChannel(x, (c) => {
    const factor = (gamma ? gamma.data[c] : 1) / Math.sqrt(variance.data[c] + layer.settings.epsilon);
    const offset = (beta ? beta.data[c] : 0) - mean.data[c] * factor;
    return (value) => value * factor + offset;
  });
}

/** Over the channels of each position, or over all values. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function layerNorm(layer, x) {
  const { gamma, beta } = layer.weights;
  const size = layer.settings.axes > 1 ? x.data.length : asImage(x.shape)[2];
  const data = new Float32Array(x.data.length);
  for (let at = 0; at < data.length; at += size) {
    const { mean, deviation } = moments(x.data.subarray(at, at + size), layer.settings.epsilon);
    for (let i = 0; i < size; i++) {
      data[at + i] = ((x.data[at + i] - mean) / deviation) * (gamma ? gamma.data[i] : 1) + (beta ? beta.data[i] : 0);
    }
  }
  return { shape: x.shape, data };
}

/** Over all positions of each group of channels. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function groupNorm(layer, x) {
  const { gamma, beta } = layer.weights;
  const channels = asImage(x.shape)[2];
  const groups = layer.settings.groups === -1 ? channels : layer.settings.groups;
  const each = channels / groups;
  const groupOf = (index) => Math.floor((index % channels) / each);
  const statistics = Array.from({ length: groups }, (_, group) =>
    moments(x.data.filter((_, index) => groupOf(index) === group), layer.settings.epsilon));
  const data = x.data.map((value, index) => {
    const { mean, deviation } = statistics[groupOf(index)];
    const channel = index % channels;
    return ((value - mean) / deviation) * (gamma ? gamma.data[channel] : 1) + (beta ? beta.data[channel] : 0);
  });
  return { shape: x.shape, data };
}

/** The mean, and the square root of the biased variance plus epsilon. */
function moments(values, epsilon) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance + epsilon) };
}

/** Normalise by stored statistics, or invert that. @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function normalization(layer, x) {
  const means = layer.weights.mean?.data ?? layer.settings.mean;
  const variances = layer.weights.variance?.data ?? layer.settings.variance;
  return byChannel(x, (c) => {
    const mean = constant(means, c);
    const deviation = Math.max(Math.sqrt(constant(variances, c)), 1e-7);
    return layer.settings.invert ? (value) => value * deviation + mean : (value) => (value - mean) / deviation;
  });
}

/** @param {Layer} layer @param {Tensor} x @returns {Tensor} */
export function rescaling(layer, x) {
  return byChannel(x, (c) => {
    const factor = constant(layer.settings.factor, c);
    const offset = constant(layer.settings.offset, c);
    return (value) => value * factor + offset;
  });
}

/** One number for all channels, or one for each. */
function constant(values, channel) {
  if (typeof values === "number") return values;
  return values.length === 1 ? values[0] : values[channel];
}
