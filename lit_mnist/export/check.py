"""An export beside the network that it was made of, on images as the network takes them."""

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
_VALUES = 2**19  # of all images, so that large ones come in smaller number


def random_pixels(model: Model, seed: int = 0) -> np.ndarray:
    """Return random images, 0 to 255, of the network's size, more than one where they are small."""
    height, width, channels = model.spec.input_shape
    number = max(1, min(_IMAGES, _VALUES // math.prod(model.spec.input_shape)))
    shape = (number, height, width) if channels == 1 else (number, height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def outputs_of(model: Model, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the named layers' values, and the answer's logits under its own name."""
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
    """Compare `run`, given scaled images and their pixels, with the network; return what was found as plain values.

    Differences are relative to a layer's largest value (or to 1). Raises UserError, before anything is written,
    where an output differs by more than `limit`.
    """
    pixels = random_pixels(model)
    images = model.tensor(pixels)
    ours = outputs_of(model, images, names)
    theirs = run(images, pixels)
    errors = {name: _difference(ours[name], theirs[name]) for name in names}
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


def _difference(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return math.inf
    difference = float((ours - theirs).abs().max() / max(1.0, float(ours.abs().max())))
    return difference if math.isfinite(difference) else math.inf
