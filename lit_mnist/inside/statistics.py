"""Activation statistics of layers and maps over a data set, and silent maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..network import Network
from ..runs.model import Model
from .bounds import layer_bounds
from .capture import Captured, select
from .kept import KeptResults, arrays_hash, computed_once
from .passes import BATCH, as_array, batch_size, batches, by_map, sweep

RECORD = "statistics"  # the name under which they are kept
ACTIVE = "active"
ON_DATA = "silent on this data"
ON_NOISE = "silent for random input"
UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of one layer over images and positions; all arrays are (maps,) or (units,).

    `zeros` is the fraction of values that are exactly zero, so 1.0 means that the map is silent.
    """

    layer: str
    images: int
    mean: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    zeros: np.ndarray

    @property
    def silent(self) -> np.ndarray:
        """Which maps (maps,) are zero at every position of every image."""
        return (self.minimum == 0) & (self.maximum == 0)


@dataclass(frozen=True)
class Silence:
    """Three kinds of silent map of one layer; all arrays are bool (maps,).

    `data`: zero for all images of a data set. `noise`: zero for all of `attempts` random inputs.
    `unreachable`: zero for every image of pixels 0 to 255, proved by interval bounds.
    """

    layer: str
    data: np.ndarray
    noise: np.ndarray
    unreachable: np.ndarray
    attempts: int

    def state(self, number: int) -> str:
        """Return what is known of map `number`, in words."""
        if self.unreachable[number]:
            return UNREACHABLE
        match bool(self.data[number]), bool(self.noise[number]):
            case True, True:
                return f"not raised in {self.attempts} attempts"
            case True, False:
                return ON_DATA
            case False, True:
                return ON_NOISE
        return ACTIVE


def activation_statistics(
    network: Network, inputs: Iterable[Tensor], layers: str | Sequence[str] = "*"
) -> tuple[LayerStatistics, ...]:
    """Return the statistics of each layer (names or globs) over batches (N, C, H, W), in one pass.

    Sums over images are kept in float64. Raises UserError where there is no image.
    """
    names = select(network, layers)
    sums = {name: _Sums() for name in names}

    def take(maps: Captured) -> None:
        for name in names:
            sums[name].update(by_map(maps[name]))

    sweep(network, inputs, names, take)
    if not next(iter(sums.values())).images:
        raise UserError("no image to take statistics of; accepted: at least one")
    return tuple(sums[name].statistics(name) for name in names)


def activation_statistics_once(
    model: Model,
    part: str,
    pixels: np.ndarray,
    layers: Sequence[str],
    kept: KeptResults | None,
    batch: int = BATCH,
    track: Callable[[Iterator[Tensor]], Iterable[Tensor]] = lambda inputs: inputs,
) -> tuple[LayerStatistics, ...]:
    """Return `activation_statistics` of `pixels`, the `part` of a data set; read those that are
    kept.

    `layers` are names; `track` shows the progress of the pass.
    """

    def compute(missing: list[str]) -> dict[str, dict[str, Any]]:
        passed = track(batches(model, pixels, batch))
        records = activation_statistics(model.network, passed, missing)
        return {record.layer: vars(record) for record in records}

    digest = arrays_hash(pixels)
    settings = {name: {"layer": name, "part": part, "pixels": digest} for name in layers}
    contents = computed_once(kept, RECORD, settings, compute)
    return tuple(LayerStatistics(**contents[name]) for name in layers)


class _Sums:
    """Running sums and extremes of each map, (maps,); undefined before the first update."""

    total: Tensor
    zeros: Tensor
    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        self.images = 0
        self.values = 0

    def update(self, maps: Tensor) -> None:  # (N, maps, positions)
        # Reducing positions first and then images is several times faster on a CPU than both at
        # once, and so is a comparison written as 0.0 and 1.0, since counting booleans is slow.
        wide = torch.promote_types(maps.dtype, torch.float32)
        is_zero = torch.eq(maps, 0, out=torch.empty(maps.shape, dtype=wide, device=maps.device))
        total, zeros = (
            values.sum(2, dtype=wide).sum(0, dtype=torch.float64) for values in (maps, is_zero)
        )
        low = maps.amin(2).amin(0)
        high = maps.amax(2).amax(0)
        if self.images:
            total = self.total + total
            zeros = self.zeros + zeros
            low = self.low.minimum(low)
            high = self.high.maximum(high)
        self.total = total
        self.zeros = zeros
        self.low = low
        self.high = high
        self.images += len(maps)
        self.values += len(maps) * maps.shape[2]

    def statistics(self, layer: str) -> LayerStatistics:
        mean, zeros = (as_array(tensor / self.values) for tensor in (self.total, self.zeros))
        return LayerStatistics(
            layer, self.images, mean, as_array(self.low), as_array(self.high), zeros
        )


def random_pixels(shape: tuple[int, ...], count: int, seed: int = 0) -> np.ndarray:
    """Return random images (count, H, W, C), pixels 0 to 255 in float32, from fine to coarse in
    turn.

    They are uniform noise on grids of 1, 1/2, 1/4 and 1/8 of the resolution, with squares for the
    pixels of coarse grids: single-pixel noise seldom activates a map that responds to strokes or
    areas.
    """
    return np.stack(list(_random_images(shape, count, seed)))


def _random_images(shape: tuple[int, ...], count: int, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 4])))
    for number in range(count):
        square = 2 ** (number % 4)
        coarse = generator.uniform(
            0, 255, (-(-shape[0] // square), -(-shape[1] // square), shape[2])
        )
        image = coarse.repeat(square, 0).repeat(square, 1)[: shape[0], : shape[1]]
        yield image.astype(np.float32)


def _random_batches(model: Model, attempts: int, seed: int) -> Iterator[Tensor]:
    """Yield the random images as batches of network inputs, so that large images fit into
    memory.
    """
    images = _random_images(model.spec.input_shape, attempts, seed)
    while chunk := list(islice(images, batch_size(model.spec))):
        noise = np.stack(chunk)
        yield from batches(model, noise[..., 0] if noise.shape[-1] == 1 else noise)


def silence(
    model: Model,
    statistics: Sequence[LayerStatistics],
    attempts: int = 1000,
    seed: int = 0,
    track: Callable[[Iterator[Tensor]], Iterable[Tensor]] = lambda inputs: inputs,
) -> tuple[Silence, ...]:
    """Return, for the layers of `statistics`, which maps are silent on the data, on noise, or
    provably.

    `attempts` is the number of random inputs (`random_pixels`), drawn with `seed`; `track` shows
    progress.
    """
    names = [layer.layer for layer in statistics]
    inputs = track(_random_batches(model, attempts, seed))
    on_noise = activation_statistics(model.network, inputs, names)
    bounds = layer_bounds(model, names)
    return tuple(
        Silence(layer.layer, layer.silent, random.silent, bounds[layer.layer].zero, attempts)
        for layer, random in zip(statistics, on_noise, strict=True)
    )
