// The page's own proof: its network gives PyTorch's logits for the pictures that it carries.

import { standardized } from "./network/network.js";

const TOLERANCE = 1e-4; // of the largest logit

/**
 * The largest difference from the logits that PyTorch gave, in units of the largest of them.
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
