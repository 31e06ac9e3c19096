"""Neural style transfer as another objective of the same engine (Gatys, Ecker, Bethge 2015, arXiv:1508.06576)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..inside.passes import as_array
from ..network import as_images
from ..runs.model import Model
from ..spec import Conv
from .ascent import Ascent, Progress, Stage, ascend, rows_for
from .checks import MaximizeError, need_number
from .inputs import rescaled
from .objectives import Features, Gram, Objective, View, total
from .subnetwork import Subnetwork


@dataclass(frozen=True)
class Transfer:
    """Inputs (C, H, W) of content and style, and the ascent that began at the content.

    `content_loss` and `style_loss` are (before, after), unweighted.
    """

    content: np.ndarray
    style: np.ndarray
    ascent: Ascent
    content_loss: tuple[float, float]
    style_loss: tuple[float, float]

    @property
    def image(self) -> np.ndarray:
        """The result (C, H, W), in the network's input."""
        return self.ascent.images[0]

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.maximize import transfer

        return to_bytes(transfer(self))


def style_transfer(
    model: Model,
    content: np.ndarray,
    style: np.ndarray,
    content_layer: str | None = None,
    style_layers: Sequence[str] | None = None,
    content_weight: float = 1.0,
    style_weight: float = 1e4,
    steps: int = 400,
    step: float = 0.01,
    snapshots: int | tuple[int, ...] = 6,
    progress: Progress | None = None,
) -> Transfer:
    """Return `content` redrawn in the style of `style`, both pixels 0 to 255, (H, W) or (H, W, C).

    Descends ``content_weight * L_content + style_weight * mean of L_style``: half the squared distance of
    `content_layer`'s activations (default: the last convolution), and the squared distance of the Gram
    matrices of `style_layers` (default: all convolutions). Raises MaximizeError.
    """
    need_number("content_weight", content_weight)
    need_number("style_weight", style_weight)
    convolutions = [layer.name for layer in model.spec.layers if isinstance(layer, Conv)]
    if not convolutions:
        raise MaximizeError(
            "this network has no convolution, so no style; accepted: a network with at least one"
        )
    scaling = rescaled(model, (content_layer or "", *(style_layers or ())))
    model = scaling.model
    constraint = scaling.constraint()
    like = next(model.network.parameters())
    inputs = scaling.inputs(torch.cat([_input(model, content), _input(model, style)])).to(like)
    images = constraint.reference(inputs)
    content_of, style_of = _losses(
        model, images, content_layer or convolutions[-1], tuple(style_layers or convolutions)
    )
    stage = Stage(content_weight * content_of + style_weight * style_of, steps, step)
    ascent = ascend(
        model.network, [stage], images[:1], rows_for([0], 1), constraint, False, snapshots, progress
    )
    before, after = (
        _values(model, (content_of, style_of), values) for values in (ascent.starts, ascent.images)
    )
    originals = {
        field: scaling.undo(getattr(ascent, field)) for field in ("starts", "images", "snapshots")
    }
    shown = scaling.undo(as_array(images))
    return Transfer(
        shown[0],
        shown[1],
        replace(ascent, **originals),
        (before[0], after[0]),
        (before[1], after[1]),
    )


def _input(model: Model, pixels: np.ndarray) -> torch.Tensor:
    shape = model.spec.input_shape
    pixels = np.asarray(pixels, np.float32)
    if pixels.shape not in (shape, shape[:2] if shape[2] == 1 else shape):
        raise MaximizeError(
            f"image of shape {pixels.shape}; accepted: {shape}, this network's input"
        )
    return as_images(model.standardizer.apply(pixels[None]))


def _losses(
    model: Model, images: torch.Tensor, content_layer: str, style_layers: tuple[str, ...]
) -> tuple[Objective, Objective]:
    subnetwork = Subnetwork(model.network, (content_layer, *style_layers))
    with torch.no_grad():
        seen = dict(zip(subnetwork.names, map(as_array, subnetwork(images)[1:]), strict=True))
    flat = [name for name in subnetwork.names if seen[name].ndim != 4]
    if flat:
        raise MaximizeError(f"layer {flat[0]!r} has no feature maps; accepted: layers with maps")
    styles = total([(1 / len(style_layers)) * Gram(name, seen[name][1:]) for name in style_layers])
    return Features(content_layer, seen[content_layer][:1]), styles


def _values(model: Model, objectives: Sequence[Objective], images: np.ndarray) -> list[float]:
    subnetwork = Subnetwork(model.network, tuple(name for one in objectives for name in one.layers))
    like = next(model.network.parameters())
    with torch.no_grad():
        outputs = subnetwork(torch.as_tensor(images).to(like))
        first = torch.zeros(1, dtype=torch.int64)
        view = View(outputs[0], dict(zip(subnetwork.names, outputs[1:], strict=True)), first, first)
        return [-float(one.score(view)[0]) for one in objectives]
