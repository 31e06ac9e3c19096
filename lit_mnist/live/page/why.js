// Which pixels decided: occlusion, computed a few windows at a time so that drawing stays smooth.

import { standardized } from "./network/network.js";

const WINDOW = 4; // pixels; as in `lit_mnist/attribution/perturbation.py`
const STRIDE = 2;
const SLICE = 12; // milliseconds of work at a time

export class Why {
  /**
   * @param {import("./network/network.js").Network} network
   * @param {any} scaling
   * @param {(map: Float64Array | null, isDone: boolean) => void} show
   */
  constructor(network, scaling, show) {
    Object.assign(this, { network, scaling, show });
    const [rows, columns, channels] = network.inputShape;
    this.empty = standardized(new Float64Array(rows * columns * channels), scaling, channels);
    this.timer = 0;
  }

  stop() {
    clearTimeout(this.timer);
  }

  /** Explain class `unit` of an input whose logits are `logits`. @param {Float32Array} image @param {number[]} logits @param {number} unit */
  start(image, logits, unit) {
    this.stop();
    const work = occlusion(this.network, this.empty, image, logits, unit);
    const step = () => {
      const end = performance.now() + SLICE;
      let next = work.next();
      while (!next.done && performance.now() < end) next = work.next();
      this.show(next.value, Boolean(next.done));
      if (!next.done) this.timer = setTimeout(step);
    };
    this.timer = setTimeout(step);
  }
}

/**
 * The fall of a class's logit under a window of empty pixels, averaged over the windows that cover each pixel (Zeiler &
 * Fergus 2013). Yields the map computed so far, and returns the complete map.
 * @param {import("./network/network.js").Network} network
 * @param {Float32Array} empty @param {Float32Array} image @param {number[]} logits @param {number} unit
 * @returns {Generator<Float64Array, Float64Array>}
 */
export function* occlusion(network, empty, image, logits, unit) {
  const [rows, columns, channels] = network.inputShape;
  const sums = new Float64Array(rows * columns);
  const counts = new Float64Array(rows * columns);
  const whole = scoreOf(logits, unit);
  for (const top of starts(rows)) for (const left of starts(columns)) {
    const covered = image.slice();
    let isChanged = false;
    const pixels = windowAt(top, left, rows, columns);
    for (const pixel of pixels) for (let c = 0; c < channels; c++) {
      const index = pixel * channels + c;
      if (covered[index] !== empty[index]) isChanged = true;
      covered[index] = empty[index];
    }
    const loss = isChanged ? whole - scoreOf(network.logits(network.values(covered)), unit) : 0;
    for (const pixel of pixels) {
      sums[pixel] += loss;
      counts[pixel]++;
    }
    if (isChanged) yield sums.map((sum, pixel) => (counts[pixel] ? sum / counts[pixel] : 0));
  }
  return sums.map((sum, pixel) => sum / counts[pixel]);
}

/** A network of one unit gives the logit of class 1; class 0 has its negative. */
function scoreOf(logits, unit) {
  if (logits.length > 1) return logits[unit];
  return unit ? logits[0] : -logits[0];
}

function starts(size) {
  return Array.from({ length: Math.ceil((size - WINDOW) / STRIDE) + 1 }, (_, i) => i * STRIDE);
}

function windowAt(top, left, rows, columns) {
  const pixels = [];
  for (let y = top; y < Math.min(rows, top + WINDOW); y++) {
    for (let x = left; x < Math.min(columns, left + WINDOW); x++) pixels.push(y * columns + x);
  }
  return pixels;
}
