// The page tests itself: its network must give PyTorch's logits for the sample pictures.

import { standardized } from "./network/network.js";

const TOLERANCE = 1e-4; // of the largest logit

/**
 * The largest difference from PyTorch's logits, relative to the largest logit.
 * @param {import("./network/network.js").Network} network
 * @param {{pixels: Float64Array, logits: number[]}[]} samples
 * @param {any} scaling
 * @returns {{difference: number, agrees: boolean}}
 */
export function compared(network, samples, scaling) {
  const largest = Math.max(...samples.flatMap(({ logits }) => logits.map(Math.abs)));
  const differences = samples.map(({ pixels, logits }) => {
    const values = network.values(standardized(pixels, scaling, network.inputShape[2]));
    return Math.max(...network.logits(values).map((logit, unit) => Math.abs(logit - logits[unit])));
  });
  const difference = Math.max(...differences) / largest;
  return { difference, agrees: difference <= TOLERANCE };
}
