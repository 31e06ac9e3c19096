"""Comparison of an export with the network that it was made from, on random images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..runs.model import Model

_IMAGES = 4
_VALUES = 2**19  # pixel values of all images together: there are fewer images where they are large


def random_pixels(model: Model, seed: int = 0) -> np.ndarray:
    """Return one to four random images, 0 to 255, of the network's input size."""
    height, width, channels = model.spec.input_shape
    number = max(1, min(_IMAGES, _VALUES // math.prod(model.spec.input_shape)))
    shape = (number, height, width) if channels == 1 else (number, height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def outputs_of(model: Model, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the values of the named layers; the answer's are logits, under its layer's name."""
    with torch.no_grad():
        others = [name for name in names if name != model.spec.output]
        values = model.network.layer_values(images, *others) if others else {}
        return {model.spec.output: model.network(images)} | {name: values[name] for name in others}


def check(
    model: Model,
    run: Callable[[Tensor, np.ndarray], Mapping[str, Tensor]],
    names: Sequence[str],
    limit: float,
    by: str,
) -> dict[str, Any]:
    """Compare the outputs of `run(images, pixels)` with the network's; return the result as plain
    values.

    `images` are `pixels` after scaling; `by` names what ran them. Differences are relative to a
    layer's largest absolute value, or to 1 where that is smaller. Raises UserError, before anything
    is written, where an output differs by more than `limit`.
    """
    pixels = random_pixels(model)
    images = model.tensor(pixels)
    expected = outputs_of(model, images, names)
    exported = run(images, pixels)
    errors = {name: _difference(expected[name], exported[name]) for name in names}
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] <= limit:
        raise UserError(
            f"this network cannot be exported: layer {worst!r} as {by} computes it differs by "
            f"{errors[worst]:.1e} of its largest value, beyond {limit:g}"
        )
    return {
        "by": by,
        "images": len(pixels),
        "limit": limit,
        "largest_difference": errors[worst],
        "equal": all(error == 0 for error in errors.values()),
    }


def _difference(expected: Tensor, exported: Tensor) -> float:
    if expected.shape != exported.shape:
        return math.inf
    largest = max(1.0, float(expected.abs().max()))
    difference = float((expected - exported).abs().max() / largest)
    return difference if math.isfinite(difference) else math.inf
