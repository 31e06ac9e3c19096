// Converts pictures to the network's input, as `predict` does.

import { readDigit } from "./digit.js";
import { border, median, rounded } from "./grid.js";
import { luma, pillowResized } from "./pillow.js";

/** @typedef {import("./digit.js").Digit} Digit */

/**
 * How pictures are read: as handwriting of MNIST's form, framed light on dark, or resized.
 * @typedef {{way: "handwritten" | "framed" | "resized", shape: [number, number, number]}} Reader
 */

/**
 * The network's input (rows, columns, channels), 0 to 255, and the digit if handwriting was read.
 * @param {{width: number, height: number, data: ArrayLike<number>}} picture red, green, blue, opacity
 * @param {Reader} reader
 * @returns {{pixels: Float64Array, digit: Digit | null}}
 */
export function inputOf(picture, reader) {
  const { way, shape } = reader;
  const paper = onPaper(picture);
  const size = { rows: picture.height, columns: picture.width };
  if (way === "resized") {
    const channels = shape[2] === 1 ? [...grey(paper)] : paper;
    return { pixels: pillowResized(channels, [size.rows, size.columns, shape[2]], shape[0], shape[1], "bilinear", true), digit: null };
  }
  const levels = { ...size, data: grey(paper) };
  if (way === "framed") return { pixels: framed(levels, shape), digit: null };
  const digit = readDigit(levels);
  return { pixels: inShape(/** @type {Float64Array} */ (digit.pixels.data), shape), digit };
}

/** Red, green and blue of a transparent picture on white, or on black if its ink is light. */
function onPaper({ data }) {
  const count = data.length / 4;
  const result = new Uint8ClampedArray(3 * count);
  let [whole, dark, isOpaque] = [0, 0, true];
  for (let i = 0; i < count; i++) {
    const opacity = data[4 * i + 3];
    whole += opacity;
    if (opacity < 255) isOpaque = false;
    if (luma(data[4 * i], data[4 * i + 1], data[4 * i + 2]) < 128) dark += opacity;
  }
  const paper = !isOpaque && dark <= 0.02 * whole ? 0 : 255;
  for (let i = 0; i < count; i++) for (let channel = 0; channel < 3; channel++) {
    const opacity = data[4 * i + 3];
    result[3 * i + channel] = isOpaque ? data[4 * i + channel] : (data[4 * i + channel] * opacity + paper * (255 - opacity)) / 255;
  }
  return result;
}

function grey(rgb) {
  const result = new Float64Array(rgb.length / 3);
  for (let i = 0; i < result.length; i++) result[i] = luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
  return result;
}

/**
 * A digit of 28 x 28 pixels in a grey network's shape; at 28 x 28 its values are not rounded.
 * @param {Float64Array} digit @param {[number, number, number]} shape @returns {Float64Array}
 */
export function inShape(digit, [height, width]) {
  if (height === 28 && width === 28) return digit;
  const whole = digit.map(rounded);
  if (height !== 32 || width !== 32) return pillowResized(whole, [28, 28, 1], height, width, "bilinear", true);
  const result = new Float64Array(32 * 32); // as for LeNet: two rows and columns of zeros on each side
  for (let y = 0; y < 28; y++) result.set(whole.subarray(28 * y, 28 * y + 28), 32 * (y + 2) + 2);
  return result;
}

/** A grey picture in the middle of a black frame, aspect kept, light on dark. */
function framed(levels, [height, width]) {
  const isDark = median(border(levels)) > 127;
  const light = Float64Array.from(levels.data, (value) => (isDark ? 255 - value : value));
  const scale = Math.min(height / levels.rows, width / levels.columns);
  const [rows, columns] = [levels.rows, levels.columns].map((side) => Math.max(1, rounded(scale * side)));
  const small = pillowResized(light, [levels.rows, levels.columns, 1], rows, columns, "box", false);
  const frame = new Float64Array(height * width);
  const [top, left] = [Math.floor((height - rows) / 2), Math.floor((width - columns) / 2)];
  for (let y = 0; y < rows; y++) frame.set(small.subarray(y * columns, (y + 1) * columns), (y + top) * width + left);
  return frame;
}
