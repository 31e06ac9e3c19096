"""Models from Keras files, and the metadata of Keras files that this program writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Standardizer
from ..keras_files import read_keras
from ..network import Network
from ..spec import NetworkSpec
from ..spec.weights import Weights
from .model import Model, ModelError, data_root
from .scaling import default_scaling, fit_scaling, scaling_of_metadata


def open_keras(path: Path, standardize: str | None, root: str | Path | None) -> Model:
    """Open a Keras file; `standardize` and `root` as in `lit_mnist.runs.model.open_model`."""
    file = read_keras(path)
    return keras_model(file.spec, file.weights, path, standardize, root, file.metadata)


def keras_model(
    spec: NetworkSpec,
    weights: Weights,
    path: Path,
    standardize: str | None = None,
    root: str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Model:
    """Build the model of a Keras file's network and weights.

    A file that this program wrote states its scaling in `metadata`. Raises ModelError if
    `standardize` is another one.
    """
    network = Network(spec)
    network.load_weights({name: array.astype(np.float32) for name, array in weights.items()})
    network.eval()
    metadata = metadata or {}
    scaling = scaling_of_metadata(metadata, spec) if metadata else None
    if isinstance(scaling, Standardizer) and standardize in (None, scaling.kind):
        return Model(
            network,
            scaling,
            str(metadata.get("dataset")),
            path,
            stored_names=tuple(map(str, metadata.get("class_names", ()))),
            data_root=data_root(root, {}),
        )
    if isinstance(scaling, Standardizer):
        raise ModelError(
            f"standardize = {standardize!r}: {path} carries its network's own scaling, "
            f"{scaling.kind!r}; accepted: leave it out"
        )
    if scaling and standardize is None:
        raise ModelError(
            f"{path}: its note on scaling cannot be used ({scaling}); accepted: name the scaling "
            "(standardize: unit, per_pixel, ...)"
        )
    return Model(
        network,
        fit_scaling(standardize or default_scaling(spec), root, spec),
        _default_dataset(spec),
        path,
        scaling_assumed=standardize is None and spec.rescaling is None,
        data_root=data_root(root, {}),
    )


def keras_metadata(model: Model) -> dict[str, Any]:
    """Return what a Keras file must say, for `keras_model`, beyond what Keras' format holds."""
    return {
        "standardizer": model.standardizer.to_dict(),
        "dataset": model.dataset,
        "class_names": list(model.class_names),
    }


def _default_dataset(spec: NetworkSpec) -> str:
    """Return ``mnist``; for colour images with other than ten classes, ``folder``."""
    return "mnist" if spec.input_shape[2] == 1 or spec.classes == 10 else "folder"
