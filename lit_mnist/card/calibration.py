"""Calibration: accuracy by confidence, and the expected difference between the two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15  # of Guo et al. 2017


@dataclass(frozen=True)
class Calibration:
    """Images by the probability of their answer, in bins of equal width.

    `edges` are (bins + 1,); `counts`, mean `confidence` and `accuracy` are (bins,), NaN for empty
    bins. `error` is the expected calibration error: the mean of ``|accuracy - confidence|`` over
    all images (Guo et al. 2017, arXiv:1706.04599).
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def calibration(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Calibration:
    """Return the calibration of answers with probabilities `confidence` (n,), each `correct` (n,)
    or not.
    """
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.digitize(confidence, edges[1:-1], right=True), 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    sums = [np.bincount(bin_of, weights, bins) for weights in (confidence, correct.astype(float))]
    with np.errstate(invalid="ignore"):
        means = [total / counts for total in sums]
    error = float(np.abs(sums[0] - sums[1]).sum() / max(1, len(confidence)))
    return Calibration(edges, counts, means[0], means[1], error)
