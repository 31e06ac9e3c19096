"""Images of a data set that activate each map most, found in one pass with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError, need_whole
from ..network import Network
from ..outcome import Records
from ..runs.model import Model
from ..spec import NetworkSpec
from .capture import Captured, select
from .kept import KeptResults, arrays_hash, computed_once
from .passes import BATCH, as_array, batches, by_map, sweep

RECORD = "top_images"  # the name under which they are kept
_KEPT = 8
_SHOWN = 16  # maps of a layer in a notebook


@dataclass(frozen=True)
class Ranking:
    """The best images of each map, best first.

    `index` (maps, k) holds positions of images in the pass, and `values` (maps, k) their
    activations. `boxes` (maps, k, 4) holds ``top, left, bottom, right`` (ends excluded) of the
    receptive field of the map's strongest position, in input pixels; it extends beyond the image
    where it includes padding.
    """

    index: np.ndarray
    values: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class TopImages:
    """The top images of a layer's maps by highest value (`peak`) and by mean over positions
    (`mean`).

    `pixels` (images, H, W), 0 to 255, and `part` are those of the ranked data, if known.
    """

    layer: str
    images: int
    peak: Ranking
    mean: Ranking
    pixels: np.ndarray | None = None
    part: str = "test"

    def _repr_png_(self) -> bytes | None:
        if self.pixels is None:
            return None
        from ..figures.canvas import to_bytes
        from ..figures.maps import top_images

        maps = range(min(_SHOWN, len(self.peak.index)))
        names = [f"{self.part}:{number}" for number in range(self.images)]
        return to_bytes(top_images(self, "peak", maps, self.pixels, names))


def top_images(
    network: Network, inputs: Iterable[Tensor], layers: str | Sequence[str], k: int = 8
) -> Records[TopImages]:
    """Return for each map of each layer (names or globs) the `k` images that activate it most.

    `inputs` are batches (N, C, H, W); one pass keeps only the k best of each map. Among equal
    values, the earlier image comes first. With fewer than k images, all are returned.
    """
    need_whole("k", k)
    names = select(network, layers)
    best = {name: _Best(k) for name in names}

    def take(maps: Captured) -> None:
        for name in names:
            best[name].update(by_map(maps[name]))

    sweep(network, inputs, names, take)
    if not best[names[0]].images:
        raise UserError("no image to rank; accepted: at least one")
    return Records(best[name].result(network.spec, name) for name in names)


def top_images_once(
    model: Model,
    part: str,
    pixels: np.ndarray,
    layers: Sequence[str],
    k: int,
    kept: KeptResults | None,
    batch: int = BATCH,
    track: Callable[[Iterator[Tensor]], Iterable[Tensor]] = lambda inputs: inputs,
) -> tuple[TopImages, ...]:
    """Return `top_images` of `pixels` (n, H, W), the `part` of a data set; read those that are
    kept.

    `track` shows the progress of the pass. At least eight images a map are kept, so that commands
    share them.
    """
    need_whole("k", k)

    def compute(missing: list[str]) -> dict[str, dict[str, Any]]:
        passed = track(batches(model, pixels, batch))
        records = top_images(model.network, passed, missing, max(k, _KEPT))
        return {record.layer: _content(record) for record in records}

    def fits(content: Mapping[str, Any]) -> bool:
        return content["peak"]["index"].shape[1] >= min(k, content["images"])

    digest = arrays_hash(pixels)
    settings = {name: {"layer": name, "part": part, "pixels": digest} for name in layers}
    contents = computed_once(kept, RECORD, settings, compute, fits)
    return tuple(_first_images(_record(name, contents[name]), k) for name in layers)


def _content(record: TopImages) -> dict[str, Any]:
    return {"images": record.images, "peak": vars(record.peak), "mean": vars(record.mean)}


def _record(layer: str, content: Mapping[str, Any]) -> TopImages:
    peak, mean = (Ranking(**content[measure]) for measure in ("peak", "mean"))
    return TopImages(layer, content["images"], peak, mean)


def _first_images(record: TopImages, k: int) -> TopImages:
    peak, mean = (
        Ranking(*(values[:, :k] for values in vars(ranking).values()))
        for ranking in (record.peak, record.mean)
    )
    return replace(record, peak=peak, mean=mean)


class _Best:
    """The k best images of each map of a layer so far, on the device of the pass."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.images = 0
        # measure -> value, image, peak position, each (k, maps)
        self.kept: dict[str, tuple[Tensor, ...]] = {}

    def update(self, maps: Tensor) -> None:  # (N, maps, positions)
        for measure, values in (("peak", maps.amax(-1)), ("mean", maps.mean(-1))):
            chosen = self._improved(measure, values)
            best, images = _largest(values[:, chosen], self.k)
            # the strongest position is searched only in the k best, not in every image
            new = (best, images + self.images, maps[images, chosen].argmax(-1))
            if measure in self.kept:  # earlier images first, so that they stay ahead of equal ones
                old = (tensor[:, chosen] for tensor in self.kept[measure])
                new = tuple(torch.cat(pair) for pair in zip(old, new, strict=True))
            order = _largest(new[0], self.k)[1]
            new = tuple(tensor.gather(0, order) for tensor in new)
            if len(chosen) == maps.shape[1]:
                self.kept[measure] = new
            else:
                for kept, tensor in zip(self.kept[measure], new, strict=True):
                    kept[:, chosen] = tensor
        self.images += len(maps)

    def _improved(self, measure: str, values: Tensor) -> Tensor:
        """Return the maps for which some of `values` (N, maps) are among the k best so far; after
        the first batches, few are.
        """
        kept = self.kept.get(measure)
        if kept is None or len(kept[0]) < self.k:
            return torch.arange(values.shape[1], device=values.device)
        return (~(values.amax(0) <= kept[0][-1])).nonzero()[:, 0]  # NaN counts, too

    def result(self, spec: NetworkSpec, name: str) -> TopImages:
        rankings = {}
        for measure, tensors in self.kept.items():
            values, images, positions = (as_array(tensor.T) for tensor in tensors)
            rankings[measure] = Ranking(images, values, boxes(spec, name, positions))
        return TopImages(name, self.images, **rankings)


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest of each column of `values` (N, maps) and their rows, first rows
    first.
    """
    # topk does not define the order of equal values
    best, rows = values.sort(dim=0, descending=True, stable=True)
    return best[:k], rows[:k]


def boxes(spec: NetworkSpec, name: str, positions: np.ndarray) -> np.ndarray:
    """Return the receptive fields (..., 4) as ``top, left, bottom, right`` of a layer's flat
    `positions` (...).
    """
    info = spec[name.partition(":")[0]]
    columns = info.output_shape[1] if len(info.output_shape) == 3 else 1
    cells = np.stack([positions // columns, positions % columns], -1)
    corner = np.array(info.start) + cells * np.array(info.jump)
    return np.concatenate([corner, corner + np.array(info.receptive_field)], -1)
