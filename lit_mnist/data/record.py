"""The part of a run's summary that describes the data."""

from __future__ import annotations

from typing import Any

from .kmeans import ClusterFeatures
from .options import DataOptions
from .prepare import Prepared


def data_record(
    prepared: Prepared, options: DataOptions, features: ClusterFeatures | None
) -> dict[str, Any]:
    """Return the keys of ``summary.json`` that describe the data, whichever framework trained."""
    dataset = prepared.dataset
    return {
        "dataset": dataset.name,
        "dataset_asked_for": options.dataset,
        "note": dataset.note,
        "adapted": dataset.adapted,
        "class_names": dataset.class_names,
        "split": options.split,
        "standardize": options.standardize,
        "features": None if features is None else vars(features),
        "train_images": len(prepared.train),
    }
