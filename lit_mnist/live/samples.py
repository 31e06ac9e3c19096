"""Pictures to start from, whose logits the page compares with those of PyTorch when it opens."""

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
    """`pixels` (n, H, W) or (n, H, W, C), uint8, of `source`; `labels` (n,), -1 where unknown; `logits` (n, units)."""

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    source: str
    logits: np.ndarray


def samples(model: Model) -> Samples:
    """Return 16 test images of the network's data set, class by class; without it scikit-learn's digits instead.

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
    """The first image of each class, then the second of each, and so on."""
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return np.lexsort((labels, rank))[:COUNT].tolist()


def _logits(model: Model, pixels: np.ndarray) -> np.ndarray:
    with evaluation(model.network), torch.no_grad():
        return as_array(model.network(model.tensor(pixels.astype(np.float32))))
