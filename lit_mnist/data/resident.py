"""A part of the data on a device: standardised, as bytes, or from the host by batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..network import as_images
from ..spec import INPUT
from .prepare import LazyImages, Part


class Resident:
    """One part of the data, standardised, on a device and in the network's precision."""

    start = INPUT  # the layer whose values `take` returns

    def __init__(
        self, part: Part, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.part = part
        self.device = device
        self.dtype = dtype
        self.labels = torch.from_numpy(part.labels).to(device)
        self.images = (
            None
            if isinstance(part.images, LazyImages)
            else as_images(part.images).to(device, dtype)
        )

    def take(self, places: Tensor | slice) -> Tensor:
        """Return the images (n, C, H, W) at `places`."""
        if self.images is not None:
            return self.images[places]
        return as_images(self.part.images[_on_host(places)]).to(self.device, self.dtype)

    def gather(self, places: Tensor, images: Tensor) -> None:
        """Write the images at `places` into `images` without an intermediate copy."""
        if self.images is not None:
            torch.index_select(self.images, 0, places, out=images)
        else:
            images.copy_(self.take(places))

    @property
    def size(self) -> tuple[int, int]:
        """The images' height and width."""
        return self.part.images.shape[1], self.part.images.shape[2]


class ResidentBytes(Resident):
    """Images that are too large to be standardised at once: bytes, looked up when a batch is read.

    For scalings that treat all pixels of a channel alike. `table` (256, channels) holds the result
    for each byte, with the bits of `Standardizer.apply`.
    """

    def __init__(
        self, part: Part, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(part, device, dtype)
        lazy = part.images
        if not isinstance(lazy, LazyImages):
            raise TypeError("images that are standardised already")
        self.bytes = torch.from_numpy(lazy.pixels(slice(None))).to(device)
        channels = lazy.shape[3] if len(lazy.shape) == 4 else 1
        ramp = np.arange(256, dtype=np.uint8)[:, None, None, None].repeat(channels, 3)
        table = lazy.standardizer.apply(ramp if channels > 1 else ramp[..., 0])
        self.channels = (2, 1, 0) if lazy.standardizer.bgr else (0, 1, 2)
        self.table = torch.from_numpy(table.reshape(256, channels)).to(device, dtype)

    def take(self, places: Tensor | slice) -> Tensor:
        """Return the images (n, C, H, W) at `places`."""
        pixels = self.bytes[places].int()
        if self.table.shape[1] == 1:
            return self.table[:, 0][pixels].unsqueeze(1)
        return torch.stack(
            [self.table[:, out][pixels[..., source]] for out, source in enumerate(self.channels)], 1
        )


def _on_host(places: Tensor | slice) -> np.ndarray | slice:
    return places if isinstance(places, slice) else places.cpu().numpy()


def resident(part: Part, device: torch.device, dtype: torch.dtype) -> Resident:
    """Return a part of the data for a device: standardised, as bytes on a GPU, or by batches."""
    lazy = part.images
    if (
        isinstance(lazy, LazyImages)
        and lazy.standardizer.mean.ndim <= 1
        and device.type == "cuda"
        and lazy.nbytes < torch.cuda.mem_get_info(device)[0] // 2
    ):
        return ResidentBytes(part, device, dtype)
    return Resident(part, device, dtype)
