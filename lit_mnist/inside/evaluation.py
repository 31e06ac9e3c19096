"""Evaluation of a network on labelled images: confusion matrix and mistakes, most confident
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..errors import UserError
from ..runs.model import Model
from .passes import BATCH, class_probabilities


@dataclass(frozen=True)
class Evaluation:
    """The confusion matrix of labelled images and the mistakes, most confident first.

    `confusion` (classes, classes) counts images by true class (row) and predicted class (column).
    Of the mistakes (m,), `wrong` holds the positions, `predicted` the classes, `confidence` their
    probabilities, and `true_probability` the probabilities of the labels.
    """

    confusion: np.ndarray
    wrong: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    true_probability: np.ndarray

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Number of images classified as labelled."""
        return int(self.confusion.trace())


def evaluate(
    model: Model,
    pixels: np.ndarray,
    labels: np.ndarray,
    most: int = BATCH,
    watch: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> Evaluation:
    """Return the evaluation of `pixels` (n, H, W), 0 to 255, with `labels` (n,), in one pass.

    `most` and `watch` are those of `passes.class_probabilities`. Raises UserError where a label is
    not one of the network's classes.
    """
    _check_labels(labels, model.spec.classes)
    probabilities = class_probabilities(model, pixels, most, watch)
    guesses = probabilities.argmax(1)
    confidence = probabilities.max(1)
    confusion = np.zeros((model.spec.classes, model.spec.classes), np.int64)
    np.add.at(confusion, (labels, guesses), 1)
    wrong = np.flatnonzero(guesses != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return Evaluation(
        confusion, wrong, guesses[wrong], confidence[wrong], probabilities[wrong, labels[wrong]]
    )


def _check_labels(labels: np.ndarray, classes: int) -> None:
    outside = labels[(labels < 0) | (labels >= classes)]
    if not outside.size:
        return
    if (labels < 0).all():
        raise UserError(
            "the images have no labels, so mistakes are unknown; accepted: a folder for each class"
        )
    raise UserError(
        f"label {outside[0]}: the network has no such class; accepted: 0 to {classes - 1}"
    )
