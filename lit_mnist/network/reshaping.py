"""Modules without weights that pool, pad, crop, enlarge or reorder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import spec as s


class SamePool(nn.Module):
    """Pooling with TensorFlow's 'same' padding, which windows do not count."""

    def __init__(
        self,
        kind: str,
        size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[tuple[int, int], ...],
    ) -> None:
        super().__init__()
        self.kind = kind
        self.size = size
        self.stride = stride
        (top, bottom), (left, right) = padding
        self.padding = (left, right, top, bottom)

    def forward(
        self, x: Tensor
    ) -> Tensor:  # (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))
        if self.kind == "max":
            return F.max_pool2d(F.pad(x, self.padding, value=-torch.inf), self.size, self.stride)
        counted = F.avg_pool2d(
            F.pad(torch.ones_like(x[:1, :1]), self.padding), self.size, self.stride
        )
        return F.avg_pool2d(F.pad(x, self.padding), self.size, self.stride) / counted


class Crop(nn.Module):
    """Rows and columns cut off: ``((top, bottom), (left, right))``."""

    def __init__(self, sides: tuple[tuple[int, int], tuple[int, int]]) -> None:
        super().__init__()
        self.sides = sides

    def forward(
        self, x: Tensor
    ) -> Tensor:  # (N, C, H, W) -> (N, C, H - top - bottom, W - left - right)
        (top, bottom), (left, right) = self.sides
        return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


class KerasFlatten(nn.Module):
    """Flatten rows first and channels last, as Keras does."""

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) or (N, units) -> (N, units)
        return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


class Permute(nn.Module):
    """An image's axes in another order; `dims` counts rows 1, columns 2, channels 3."""

    def __init__(self, dims: tuple[int, int, int]) -> None:
        super().__init__()
        place = {1: 2, 2: 3, 3: 1}
        rows, columns, channels = (place[axis] for axis in dims)
        self.order = (0, channels, rows, columns)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same axes in another order
        return x.permute(self.order)


class Reshape(nn.Module):
    """Reshapes as Keras does, rows first, channels last: an image, a flattened one, or a vector.

    `image` is the (H, W, C) of the image that comes in, flattened channels first or not; None for a
    vector.
    """

    def __init__(self, image: s.Shape | None, shape: s.Shape) -> None:
        super().__init__()
        self.image = image
        self.shape = shape

    def forward(
        self, x: Tensor
    ) -> Tensor:  # (N, C, H, W) or (N, D) -> (N, channels, height, width)
        if self.image is not None:
            height, width, channels = self.image
            x = x.reshape(-1, channels, height, width).permute(0, 2, 3, 1)
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)

    def undo(
        self, y: Tensor
    ) -> Tensor:  # what came in, images unflattened: (N, C, H, W), or (N, D)
        """Return the input of which `y` is the output."""
        y = y.permute(0, 2, 3, 1)
        return (
            y.flatten(1) if self.image is None else y.reshape(-1, *self.image).permute(0, 3, 1, 2)
        )


def zero_pad(padding: tuple[tuple[int, int], ...]) -> nn.ZeroPad2d:
    """Return the padding module of ``((top, bottom), (left, right))``."""
    (top, bottom), (left, right) = padding
    return nn.ZeroPad2d((left, right, top, bottom))
