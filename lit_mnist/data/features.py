"""Outputs of a network's frozen first layers, computed once and kept in memory or a mapped file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..environment import memory_bytes
from .dataset import cache_folder
from .resident import Resident

Compute = Callable[[Tensor], Tensor]  # images (n, C, H, W) -> values (n, ...)


class Features(Resident):
    """Values (n, ...) of layer `start` for all images of a part, in place of the images.

    They are kept on the device; if they take more than `fraction` of the memory, in a memory-mapped
    temporary file of the cache folder.
    """

    def __init__(
        self, images: Resident, start: str, compute: Compute, batch_size: int, fraction: float
    ) -> None:
        self.part = images.part
        self.device = images.device
        self.dtype = images.dtype
        self.labels = images.labels
        self.start = start
        self.images = self._computed(images, compute, batch_size, fraction)

    def _computed(
        self, images: Resident, compute: Compute, batch_size: int, fraction: float
    ) -> Tensor:
        count = len(self.part)
        values: Tensor | None = None
        for place in range(0, count, batch_size):
            part = slice(place, min(place + batch_size, count))
            outputs = compute(images.take(part))
            if values is None:
                values = _empty(outputs, count, fraction)
            values[part] = outputs
        assert values is not None  # no part of the data is empty
        return values

    def take(self, places: Tensor | slice) -> Tensor:
        """Return the values (n, ...) at `places`."""
        assert self.images is not None
        if isinstance(places, Tensor):
            places = places.to(self.images.device)
        return self.images[places].to(self.device)

    def gather(self, places: Tensor, images: Tensor) -> None:
        """Write the values at `places` into `images`."""
        images.copy_(self.take(places))


def _empty(like: Tensor, count: int, fraction: float) -> Tensor:
    """Return storage for `count` values: in memory, on the device, or in a mapped file."""
    size = count * math.prod(like.shape[1:]) * like.element_size()
    if like.device.type == "cpu" and size <= fraction * memory_bytes():
        return _in_order(torch.empty(count, *like.shape[1:], dtype=like.dtype), like)
    if like.device.type == "cuda" and size <= torch.cuda.mem_get_info(like.device)[0] // 2:
        return _in_order(
            torch.empty(count, *like.shape[1:], dtype=like.dtype).to(like.device), like
        )
    folder = cache_folder() / "features"
    folder.mkdir(parents=True, exist_ok=True)
    kind = torch.empty(0, dtype=like.dtype).numpy().dtype
    with tempfile.TemporaryFile(dir=folder) as file:  # the mapping keeps the file open
        return torch.from_numpy(np.memmap(file, kind, "w+", shape=(count, *like.shape[1:])))


def _in_order(values: Tensor, like: Tensor) -> Tensor:
    last = like.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last)
    return values.contiguous(memory_format=torch.channels_last) if last else values
