// Whether strokes are a digit's at all: the rule of `lit_mnist/data/reader/no_digit.py`, whose numbers come with the page.

/** @typedef {import("./strokes.js").Strokes} Strokes */

/**
 * Why strokes that a network gives `probability` are no digit's; null where they are.
 * @param {Strokes} strokes @param {number} probability @param {{intercept: number, weights: Record<string, number>, sure: number}} rule
 * @returns {string | null}
 */
export function doubt(strokes, probability, rule) {
  const values = { ...strokes, uncertainty: Math.log10(Math.max(1 - probability, rule.sure)) };
  const odds = Object.entries(rule.weights).reduce((sum, [name, weight]) => sum + weight * values[name], rule.intercept);
  return odds >= 0 ? null : `strokes unlike a digit's (log-odds ${odds.toFixed(1)})`;
}
