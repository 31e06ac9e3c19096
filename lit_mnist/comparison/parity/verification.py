"""Verification of a converted network: its layers against Keras' on random images."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ...keras_files import KerasFile, write_keras
from ...runs.model import Model
from .converted import LayerErrors, layer_errors

_IMAGES = 16
# of all images: every layer's outputs are kept, so fewer large images are used
_VALUES = 2**19


def verified(model: Model, file: KerasFile, keras_file: Path, seed: int) -> LayerErrors:
    """Compare every layer with that of `keras_file` on random images drawn by `seed`.

    Needs the extra ``keras``.
    """
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
        return layer_errors(model.network, file, keras_file, rewritten, images)


def layer_record(errors: LayerErrors, name: str) -> dict[str, float | None]:
    """Return a layer's difference, rounding and limit; None if it was not compared."""
    compared = name in errors.errors
    return {
        "largest_difference": errors.errors[name] if compared else None,
        "rounding": errors.rounding[name] if compared else None,
        "limit": errors.limit(name) if compared else None,
    }


def checked(errors: LayerErrors) -> dict[str, Any]:
    """Return the comparison as plain values, with the layers that differ by more than the limit."""
    against = errors.file.name if errors.independent else "the file as rewritten here"
    return {
        "loaded_by": errors.loader,
        "images": errors.images,
        "against": against,
        "refusals": errors.refusals,
        "independent": errors.independent,
        "largest_difference": max(errors.errors.values()),
        "largest_of_limit": errors.largest_of_limit,
        "differing": errors.differing,
        "ok": not errors.differing,
    }


def failure(record: dict[str, Any]) -> str:
    """Return which layer of a conversion's record differs, and by how much."""
    checked = record["verified"]
    first = checked["differing"][0]
    layer = next(layer for layer in record["layers"] if layer["name"] == first)
    return (
        f"{record['source']}: layer {first!r} differs from {checked['loaded_by']} by "
        f"{layer['largest_difference']:.2e}; float32's rounding explains at most "
        f"{layer['limit']:.2e}; all layers are in {record['files'][1]}"
    )


def verdict(checked: dict[str, Any]) -> list[str]:
    """Return the lines that describe the comparison."""
    lines = [
        f"{loader} does not load this file: {words}"
        for loader, words in checked["refusals"].items()
    ]
    same = (
        f"equal within float32's rounding on {checked['images']} random images, the largest "
        f"difference {checked['largest_of_limit']:.0%} of what is accepted"
    )
    if checked["independent"]:
        return [*lines, f"{same}, beside {checked['loaded_by']} ({checked['against']})"]
    return [
        *lines,
        "not compared with this file in any Keras: what was compared is this program's own "
        "rewriting of it, so a mistake in reading would be in both (older files: pip install "
        f"tf_keras). {same.capitalize()}, beside {checked['loaded_by']} with the rewritten file",
    ]
