"""How a network does on a labelled set: the confusion matrix and every mistake, most confident first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..inside.passes import class_probabilities
from ..runs.model import Model


@dataclass(frozen=True)
class Evaluation:
    """`confusion` (classes, classes), rows true; of the wrong images (m,), the most confident first: `wrong`
    their positions, `predicted` their classes, `confidence` those classes' probabilities."""

    confusion: np.ndarray
    wrong: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Number of images classified as labelled."""
        return int(self.confusion.trace())


def evaluate(model: Model, pixels: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Return the evaluation of `pixels` (n, H, W), 0 to 255, with `labels` (n,), in one pass."""
    probabilities = class_probabilities(model, pixels)
    guesses = probabilities.argmax(1)
    confidence = probabilities.max(1)
    confusion = np.zeros((model.spec.classes, model.spec.classes), np.int64)
    np.add.at(confusion, (labels, guesses), 1)
    wrong = np.flatnonzero(guesses != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return Evaluation(confusion, wrong, guesses[wrong], confidence[wrong])
