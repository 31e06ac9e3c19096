// Colour scales: a sequential one for values from 0, a diverging one, white at 0, for signed values.

import { bytesOf } from "./network/tensor.js";

/**
 * The values at the ends of a scale; a signed scale goes from -high to high.
 * @typedef {{low: number, high: number, isSigned: boolean}} Scale
 */

export class Colours {
  /** @param {{sequential: string, signed: string}} tables 256 colours each, as base64 of red, green, blue */
  constructor(tables) {
    this.sequential = tableOf(tables.sequential);
    this.signed = tableOf(tables.signed);
  }

  /**
   * Paint values into a canvas of their size.
   * @param {HTMLCanvasElement} canvas
   * @param {(index: number) => number} value of each pixel, rows first
   * @param {Scale} scale
   */
  paint(canvas, value, { low, high, isSigned }) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const table = isSigned ? this.signed : this.sequential;
    const factor = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = table[Math.min(255, Math.max(0, Math.round((value(i) - low) * factor)))];
    }
    context.putImageData(image, 0, 0);
  }
}

/** The scale that contains all values; it starts at 0 if none is negative. @param {ArrayLike<number>} values @returns {Scale} */
export function scaleOf(values) {
  let [low, high] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    else if (values[i] > high) high = values[i];
  }
  const largest = Math.max(-low, high);
  return low < 0 ? { low: -largest, high: largest, isSigned: true } : { low: 0, high, isSigned: false };
}

/** Paint pixels 0 to 255, one or three channels, in their own colours. @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} pixels */
export function paintPixels(canvas, pixels) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const count = canvas.width * canvas.height;
  const channels = pixels.length / count;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Colours as 32-bit pixels in this machine's byte order. */
function tableOf(text) {
  const bytes = bytesOf(text);
  const pixels = new Uint8Array(4 * 256).fill(255);
  for (let i = 0; i < 256; i++) pixels.set(bytes.subarray(3 * i, 3 * i + 3), 4 * i);
  return new Uint32Array(pixels.buffer);
}
