"""Whether strokes are a digit: a logistic rule on eight measurements and the probability."""

from __future__ import annotations

import math

from .strokes import Strokes

# Logistic regression with the probabilities of two networks, `cnn.yaml` and `cnn_best.yaml`, made
# by `python -m benchmarks.no_digit RUN RUN`: 2,000 of MNIST's training digits and 2,000 on
# synthetic papers against 2,000 training images of Fashion-MNIST and 267 training photographs of
# cats and dogs. The intercept favours digits as far as 97.5 % of those clothes are still caught
# with each network.
INTERCEPT = -33.8
WEIGHTS = {
    "variation": -14.59,
    "separability": 51.34,
    "fill": -21.27,
    "tallness": 2.68,
    "touches": -5.3,
    "dropped": -17.88,
    "pieces": -1.49,
    "holes": 0.92,
    "uncertainty": -5.73,
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
