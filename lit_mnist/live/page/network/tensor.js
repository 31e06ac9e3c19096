// Values between layers: images as rows, columns, channels (Keras' order), vectors as they are.

/**
 * One layer's value for one image.
 * @typedef {{shape: number[], data: Float32Array}} Tensor
 */

/**
 * A layer of the network: settings as in Keras, weights in Keras' layout, precomputed sizes.
 * @typedef {object} Layer
 * @property {string} name
 * @property {string} type
 * @property {string[]} inputs names of the layers it reads, "input" for the network's input
 * @property {number[]} inputShape
 * @property {number[]} shape of its output
 * @property {Record<string, any>} settings
 * @property {Record<string, {shape: number[], data: Float32Array}>} weights
 * @property {boolean} isAnswer whether its softmax or sigmoid is applied later, in the probabilities
 * @property {number[]} field rows and columns of the receptive field
 * @property {number[]} jump input pixels between neighbouring units' fields
 * @property {number[]} start top and left of the first field
 */

/** @param {number[]} shape @returns {number} how many values it has */
export function count(shape) {
  return shape.reduce((product, side) => product * side, 1);
}

/** @param {number[]} shape @returns {Tensor} zeros */
export function zeros(shape) {
  return { shape, data: new Float32Array(count(shape)) };
}

/** @param {Tensor} x @param {(value: number) => number} rule @returns {Tensor} */
export function mapped(x, rule) {
  return { shape: x.shape, data: x.data.map(rule) };
}

/** @param {number[]} shape @returns {number[]} rows, columns, channels; a vector is an image of one pixel */
export function asImage(shape) {
  return shape.length === 3 ? shape : [1, 1, shape[0]];
}

/** @param {Tensor} x @param {(channel: number) => (value: number) => number} rule @returns {Tensor} */
export function byChannel(x, rule) {
  const channels = x.shape[x.shape.length - 1];
  const rules = Array.from({ length: channels }, (_, channel) => rule(channel));
  return { shape: x.shape, data: x.data.map((value, index) => rules[index % channels](value)) };
}

/** @param {string} text base64 @returns {Uint8Array} */
export function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}
