"""What a checkpoint records besides the weights: network, scaling, data set, seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..data import Standardizer
from ..spec import NetworkSpec

RECORD = "lit_mnist"  # the key of our own part of a checkpoint
WEIGHTS_PREFIX = "network."  # the attribute of a LightningModule that holds the network


def checkpoint_record(
    spec: NetworkSpec,
    standardizer: Standardizer | None,
    dataset: str | None,
    seed: int | None,
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the record of a checkpoint as plain values, which are safe to load.

    Scaling and data set are None if the network was trained with another data module.
    """
    return {
        "format": 1,
        "spec": spec.to_dict(),
        "dataset": dataset,
        "seed": seed,
        "class_names": list(class_names),
        "standardizer": None if standardizer is None else standardizer.to_dict(),
    }


def lacks_scaling(content: Mapping[str, Any]) -> bool:
    """Return whether the data module that trained a checkpoint did not state its scaling."""
    record = content.get(RECORD)
    return isinstance(record, Mapping) and record.get("standardizer", "") is None
