"""The scaling of pixels for networks whose files do not state it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data import DataError, DataOptions, Standardizer, prepare
from ..data.standardize import FIXED, STANDARDIZATIONS
from ..errors import first_line, nearest
from ..spec import NetworkSpec


def default_scaling(spec: NetworkSpec) -> str:
    """Return ``none`` if the network rescales pixels before its first weights, else ``unit``."""
    return "unit" if spec.rescaling is None else "none"


def fit_scaling(kind: str, root: str | Path | None, spec: NetworkSpec) -> Standardizer:
    """Return a standardisation of `kind` for the network's images; MNIST under `root` fits it.

    Raises DataError for an unknown kind, and for a fitted one if the images are not MNIST's size.
    """
    if kind in FIXED:
        height, width, channels = spec.input_shape
        shape = (1, height, width, *([channels] if channels > 1 else []))
        return Standardizer.fit(kind, np.zeros(shape, np.uint8))
    if kind not in STANDARDIZATIONS:
        raise DataError(f"standardize: unknown {kind!r}; {nearest(kind, STANDARDIZATIONS)}")
    options = DataOptions(root=root, standardize=kind, validation_fraction=0.0, validate_on="none")
    if spec.input_shape != (28, 28, 1):
        raise DataError(
            f"data.standardize = {kind!r} is fitted on MNIST's 28 x 28 x 1, "
            f"this network takes {spec.input_shape}; accepted: {', '.join(FIXED)}"
        )
    return prepare(options).standardizer


def scaling_of_metadata(metadata: Mapping[str, Any], spec: NetworkSpec) -> Standardizer | str:
    """Return the standardisation in a Keras file's metadata, or what is wrong with it."""
    try:
        standardizer = Standardizer.from_dict(metadata["standardizer"])
        moments = standardizer.mean, standardizer.scale
        shapes = ((), spec.input_shape[:2], spec.input_shape, spec.input_shape[2:])
        if (
            all(m.shape in shapes and np.isfinite(m).all() for m in moments)
            and (standardizer.scale > 0).all()
        ):
            return standardizer
        return "mean and scale must be finite, of the images' shape, scale above 0"
    except (KeyError, TypeError, ValueError) as error:
        return first_line(error)
