"""``python -m benchmarks.no_digit RUN... [--every N]``: fit the rule for "no digit" and print it.

The digits are MNIST's training images, half of them on synthetic papers; the others are training
images of Fashion-MNIST and training photographs of cats and dogs. `benchmarks.own_digits` measures
the rule on other pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from lit_mnist.data.reader.no_digit import WEIGHTS, measurements
from lit_mnist.errors import UserError
from lit_mnist.runs.model import Model, open_model

from .digit_pictures import (
    Readings,
    papers,
    probabilities,
    read_all,
    sources,
)

# of Fashion-MNIST's training images with each network, so that networks of other seeds, which
# differ by a point, catch 95 %
_CAUGHT = 0.975
_STEP = 0.25  # of the intercept, in log-odds


def main(argv: list[str] | None = None) -> int:
    """Print weights and intercept; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.no_digit", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of MNIST networks")
    parser.add_argument(
        "--every", type=int, default=30, help="take every Nth training image (default: 30)"
    )
    options = parser.parse_args(argv)
    try:
        print(fitted([open_model(path) for path in options.runs], options.every))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def fitted(models: list[Model], every: int) -> dict[str, float]:
    """Fit a logistic regression in which both sides have equal weight, and shift its intercept.

    The shift favours digits as far as each network still catches 97.5 % of the clothes.
    """
    from sklearn.linear_model import LogisticRegression

    pictures = sources("train", every)
    readings = {
        name: read_all(pictures[name]()) for name in ("MNIST", "Fashion-MNIST", "cats and dogs")
    }
    clothes = readings["Fashion-MNIST"]
    sides = (
        readings["MNIST"] + read_all(papers(len(readings["MNIST"]))),
        clothes + readings["cats and dogs"],
    )
    values = [np.concatenate([_values(model, side) for model in models]) for side in sides]
    inputs = np.concatenate(values)
    scale = inputs.std(0)
    targets = np.repeat([1, 0], [len(side) for side in values])
    rule = LogisticRegression(max_iter=5000, class_weight="balanced").fit(inputs / scale, targets)
    weights = (rule.coef_[0] / scale).round(2)
    odds = [_values(model, clothes) @ weights + rule.intercept_[0] for model in models]
    shift = min(_shift(each, len(clothes)) for each in odds)
    intercept = round(float(rule.intercept_[0]) + shift, 2)
    return dict(zip(WEIGHTS, weights.tolist(), strict=True)) | {"intercept": intercept}


def _shift(odds: np.ndarray, count: int) -> float:
    """Return the largest shift with which enough of `count` pictures are no digits.

    Pictures without `odds` hold nothing to read.
    """
    accepted = int((1 - _CAUGHT) * count)
    highest = np.sort(odds)[-accepted - 1]
    return float(np.floor(-highest / _STEP) * _STEP)


def _values(model: Model, readings: Readings) -> np.ndarray:
    digits = [digit for digit in readings if digit is not None]
    sure = probabilities(model, digits).max(1)
    rows = [measurements(digit.strokes, float(p)) for digit, p in zip(digits, sure, strict=True)]
    return np.array([[row[name] for name in WEIGHTS] for row in rows])


if __name__ == "__main__":
    sys.exit(main())
