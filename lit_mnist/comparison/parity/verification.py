"""A converted network verified: its layers beside Keras' own, on random images, with a limit."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ...keras_files import KerasFile, write_keras
from ...runs.model import Model
from .converted import LayerErrors, layer_errors

_LIMIT = 5e-5  # of a layer's largest output (or of 1): what float32 explains (1.1e-5 was seen in 145 layers)
_IMAGES = 16
# of all images: every layer's outputs are kept, so large images come in smaller number
_VALUES = 2**19


def verified(model: Model, file: KerasFile, keras_file: Path, seed: int) -> LayerErrors:
    """Compare every layer with that of `keras_file` on random images, drawn by `seed`. Needs the extra ``keras``."""
    number = max(1, min(_IMAGES, _VALUES // math.prod(file.spec.input_shape)))
    brightest = 255 if model.standardizer.kind == "none" else 1
    images = (
        np.random.default_rng(seed)
        .uniform(0, brightest, (number, *file.spec.input_shape))
        .astype(np.float32)
    )
    with tempfile.TemporaryDirectory() as folder:
        rewritten = write_keras(
            Path(folder) / "model.keras", file.spec, file.weights, None, file.renamed
        )
        return layer_errors(model.network, keras_file, rewritten, file.renamed, images)


def checked(errors: LayerErrors) -> dict[str, Any]:
    """Return the comparison as plain values, with the layers that differ by more than the limit."""
    differing = [
        name
        for name, error in errors.errors.items()
        if not error <= _LIMIT * max(1, errors.largest[name])
    ]
    against = errors.file.name if errors.independent else "the file as rewritten here"
    return {
        "loaded_by": errors.loader,
        "images": errors.images,
        "against": against,
        "refusals": errors.refusals,
        "independent": errors.independent,
        "largest_difference": max(errors.errors.values()),
        "limit": _LIMIT,
        "differing": differing,
        "ok": not differing,
    }


def failure(record: dict[str, Any]) -> str:
    """Say which layer of a conversion's record differs, and by how much."""
    checked = record["verified"]
    first = checked["differing"][0]
    error = next(
        layer["largest_difference"] for layer in record["layers"] if layer["name"] == first
    )
    return (
        f"{record['source']}: layer {first!r} differs from {checked['loaded_by']} by {error:.2e}, beyond "
        f"{checked['limit']:g}; all layers are in {record['files'][1]}"
    )


def verdict(checked: dict[str, Any]) -> list[str]:
    """Return the lines that say what was compared with what."""
    lines = [
        f"{loader} does not load this file: {words}"
        for loader, words in checked["refusals"].items()
    ]
    same = f"equal within {checked['limit']:g} on {checked['images']} random images"
    if checked["independent"]:
        return [*lines, f"{same}, beside {checked['loaded_by']} ({checked['against']})"]
    return [
        *lines,
        "not compared with this file in any Keras: what was compared is this program's own rewriting of "
        "it, so a mistake in reading would be in both (older files: pip install tf_keras). "
        f"{same.capitalize()}, beside {checked['loaded_by']} with the rewritten file",
    ]
