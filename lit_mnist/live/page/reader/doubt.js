// Whether strokes form a digit: the rule of `lit_mnist/data/reader/no_digit.py`, whose numbers are in the page.

/** @typedef {import("./strokes.js").Strokes} Strokes */

/**
 * Why strokes to which a network gives `probability` are not a digit; null if they are.
 * @param {Strokes} strokes @param {number} probability @param {{intercept: number, weights: Record<string, number>, sure: number}} rule
 * @returns {string | null}
 */
export function doubt(strokes, probability, rule) {
  const values = { ...strokes, uncertainty: Math.log10(Math.max(1 - probability, rule.sure)) };
  const odds = Object.entries(rule.weights).reduce((sum, [name, weight]) => sum + weight * values[name], rule.intercept);
  return odds >= 0 ? null : `strokes unlike a digit's (log-odds ${odds.toFixed(1)})`;
}
