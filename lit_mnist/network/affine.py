"""Images under affine transformations, by the rules of TensorFlow's ImageProjectiveTransformV3."""

from __future__ import annotations

import torch
from torch import Tensor

Affine = (
    Tensor  # (N, 6): an output pixel (x, y) reads the input at (a0 x + a1 y + a2, b0 x + b1 y + b2)
)


def rotation(angle: Tensor, height: int, width: int) -> Affine:
    """Return rotations by `angle` (N, 1), in radians, about the images' centre."""
    cosine = angle.cos()
    sine = angle.sin()
    x = (width - 1) / 2
    y = (height - 1) / 2
    return torch.cat(
        [cosine, -sine, x - (cosine * x - sine * y), sine, cosine, y - (sine * x + cosine * y)], 1
    )


def translation(down: Tensor, right: Tensor) -> Affine:
    """Return shifts of the content by pixels (N, 1)."""
    one = torch.ones_like(down)
    zero = torch.zeros_like(down)
    return torch.cat([one, zero, -right, zero, one, -down], 1)


def zoom(vertical: Tensor, horizontal: Tensor, height: int, width: int) -> Affine:
    """Return zooms (N, 1) about the images' centre; above 1 the content shrinks."""
    zero = torch.zeros_like(vertical)
    x = (1 - horizontal) * (width - 1) / 2
    y = (1 - vertical) * (height - 1) / 2
    return torch.cat([horizontal, zero, x, zero, vertical, y], 1)


def resampled(
    images: Tensor, transforms: Affine, fill_mode: str, fill_value: float, interpolation: str
) -> Tensor:
    """Return images (N, C, H, W) under `transforms`, of the same size."""
    height, width = images.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=images.device, dtype=torch.float32),
        torch.arange(width, device=images.device, dtype=torch.float32),
        indexing="ij",
    )
    a0, a1, a2, b0, b1, b2 = (part[:, :, None] for part in transforms.split(1, 1))
    across = _folded(a0 * x + a1 * y + a2, width, fill_mode)
    down = _folded(b0 * x + b1 * y + b2, height, fill_mode)
    if interpolation == "nearest":
        return _read(images, down.round(), across.round(), fill_value)
    top = down.floor()
    left = across.floor()
    weight_down = (down - top)[:, None].to(images)
    weight_right = (across - left)[:, None].to(images)
    rows = [
        _read(images, row, left, fill_value) * (1 - weight_right)
        + _read(images, row, left + 1, fill_value) * weight_right
        for row in (top, top + 1)
    ]
    return rows[0] * (1 - weight_down) + rows[1] * weight_down


def _folded(place: Tensor, size: int, mode: str) -> Tensor:
    """Return positions along an axis of `size` pixels as a fill mode reads them."""
    last = size - 1
    match mode:
        case "constant":
            return place
        case "reflect":
            place = place.remainder(2 * size)
            place = torch.where(place >= size, 2 * size - 1 - place, place)
        case "wrap":
            below = place + size * ((-place / max(last, 1)).trunc() + 1)
            above = place - size * (place / max(last, 1)).trunc()
            place = torch.where(place < 0, below, torch.where(place > last, above, place))
    return place.clamp(0, last)


def _read(images: Tensor, row: Tensor, column: Tensor, fill: float) -> Tensor:
    """Return the pixels (N, C, H, W) at whole positions (N, H, W), `fill` outside."""
    count, channels, height, width = images.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    index = (
        (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().view(count, 1, -1)
    )
    values = images.flatten(2).gather(2, index.expand(-1, channels, -1)).view(images.shape)
    return torch.where(
        inside[:, None], values, torch.full((), fill, dtype=images.dtype, device=images.device)
    )
