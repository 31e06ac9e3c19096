"""Sample pictures of the page, which compares its logits for them with those of PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..data import DataError, load_dataset
from ..data.adapt import adapted
from ..inside.passes import as_array, evaluation
from ..runs.model import Model

COUNT = 16


@dataclass(frozen=True)
class Samples:
    """Images of a data set: `pixels` (n, H, W) or (n, H, W, C), uint8, and `logits` (n, units).

    `labels` (n,) are -1 where unknown; `source` names the data set.
    """

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    source: str
    logits: np.ndarray


def samples(model: Model) -> Samples:
    """Return 16 test images of all classes, or digits of scikit-learn where the data set is
    missing.

    Nothing is downloaded.
    """
    try:
        dataset = load_dataset(model.dataset, model.data_root, download=False, network=model.spec)
        labels = dataset.test_labels
    except DataError:
        dataset = adapted(load_dataset("digits"), model.spec.input_shape)
        labels = np.full(len(dataset.test_labels), -1)
    chosen = _class_by_class(dataset.test_labels)
    pixels = dataset.test_images[chosen]
    return Samples(
        pixels,
        labels[chosen],
        tuple(f"test:{number}" for number in chosen),
        dataset.name,
        _logits(model, pixels),
    )


def _class_by_class(labels: np.ndarray) -> list[int]:
    """Return the numbers of the first image of each class, then of the second of each, and so
    on.
    """
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return np.lexsort((labels, rank))[:COUNT].tolist()


def _logits(model: Model, pixels: np.ndarray) -> np.ndarray:
    with evaluation(model.network), torch.no_grad():
        return as_array(model.network(model.tensor(pixels.astype(np.float32))))
