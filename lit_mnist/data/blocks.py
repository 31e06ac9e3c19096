"""Batches in blocks of optimiser steps: shuffled for training, in order for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..spec import INPUT
from .augment import distort
from .prepare import permutation
from .resident import Resident

if TYPE_CHECKING:
    from .module import MNISTDataModule


class Batch(NamedTuple):
    """Images (n, C, H, W) and labels (n,) of one step; `total` counts all processes' images.

    If `start` names a layer, `images` are that layer's outputs.
    """

    images: Tensor
    labels: Tensor
    total: int
    start: str = INPUT


class Block:
    """The batches of successive steps, on the device.

    `first` is the first one's number in its epoch.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        sizes: list[tuple[int, int]],
        first: int = 0,
        start: str = INPUT,
    ) -> None:
        self.start = start
        self.images = images
        self.labels = labels
        self.first = first
        self._sizes = sizes  # (this process's images, all processes' images) of each step

    @classmethod
    def of(cls, batch: Block | tuple[Tensor, Tensor]) -> Block:
        """Return a batch (images, labels) of any other loader as a block of one step; a block as
        it is.
        """
        if isinstance(batch, Block):
            return batch
        images, labels = batch
        return Block(images, labels, [(len(labels), len(labels))])

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[Batch]:
        place = 0
        for own, total in self._sizes:
            part = slice(place, place + own)
            yield Batch(self.images[part], self.labels[part], total, self.start)
            place += own

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """This process's and all processes' number of images, of each step."""
        return tuple(self._sizes)

    @property
    def total(self) -> int:
        """Number of images, over all processes."""
        return sum(total for _, total in self._sizes)

    def gather(self, images: Tensor, labels: Tensor) -> None:
        """Write the images (n, C, H, W) and labels (n,) into tensors on the same device."""
        images.copy_(self.images)
        labels.copy_(self.labels)


@dataclass(frozen=True)
class Distortion:
    """How images of a block are moved: `matrices` (n, 2, 3) and elastic `points`; see `distort`."""

    matrices: Tensor
    points: Tensor | None
    background: Tensor
    fill_mode: str

    def __call__(self, images: Tensor) -> Tensor:
        return distort(images, self.matrices, self.background, self.fill_mode, self.points)

    def of(self, places: Tensor | slice) -> Distortion:
        """Return the distortion of the images at `places`."""
        points = None if self.points is None else self.points[places]
        return Distortion(self.matrices[places], points, self.background, self.fill_mode)


class ShuffledBlock(Block):
    """A block that gathers its images when asked, so that stored blocks take little memory."""

    def __init__(
        self,
        data: Resident,
        chosen: Tensor,
        sizes: list[tuple[int, int]],
        first: int,
        distortion: Distortion | None = None,
    ) -> None:
        self.start = data.start
        self.data = data
        self.chosen = chosen
        self.distortion = distortion
        self.first = first
        self._sizes = sizes

    @property
    def images(self) -> Tensor:
        """The images, (n, C, H, W), gathered anew each time."""
        images = self.data.take(self.chosen)
        return images if self.distortion is None else self.distortion(images)

    @property
    def labels(self) -> Tensor:
        """The labels, (n,)."""
        return self.data.labels[self.chosen]

    def __iter__(self) -> Iterator[Batch]:
        return iter(Block(self.images, self.labels, self._sizes, self.first, self.start))

    def gather(self, images: Tensor, labels: Tensor) -> None:
        """Write the images and labels into tensors without an intermediate copy."""
        if self.distortion is not None:
            images.copy_(self.images)
        else:
            self.data.gather(self.chosen, images)
        torch.index_select(self.data.labels, 0, self.chosen, out=labels)


class TrainingBlocks:
    """An epoch's batches, shuffled by (seed, epoch), in blocks that end at the steps in `marks`.

    A state dict holds the position, so that a resumed run continues with the very next batch; the
    length always counts the whole epoch's blocks, since Lightning counts those already done.
    """

    def __init__(
        self,
        module: MNISTDataModule,
        data: Resident,
        epoch: int,
        steps_before: int,
        marks: set[int],
        block: int,
        rank: int,
        world: int,
    ) -> None:
        self.module = module
        self.data = data
        self.epoch = epoch
        self.block = block
        self.rank = rank
        self.world = world
        self._done = 0  # steps handed out
        self.step_size = module.step_size
        self.steps = -(-len(data.part) // self.step_size)
        self.borders = self._borders(steps_before, marks)

    def _borders(self, steps_before: int, marks: set[int]) -> list[int]:
        own = {mark - steps_before for mark in marks}
        regular = range(0, self.steps, self.block)
        return sorted({*regular, self.steps, *(mark for mark in own if 0 < mark < self.steps)})

    def __len__(self) -> int:
        return len(self.borders) - 1

    def __iter__(self) -> Iterator[Block]:
        order = torch.from_numpy(permutation(self.module.seed, self.epoch, len(self.data.part)))
        order = order.to(self.data.device)
        distortion = self._distortion(len(order))
        for first, last in zip(self.borders, self.borders[1:], strict=False):
            if first >= self._done:
                self._done = last
                yield self._take(order, first, last, distortion)
        self._done = 0

    def samples(self) -> list[Block]:
        """Return a block of each form in an epoch: a full one and, if it differs, the last."""
        order = torch.arange(len(self.data.part), device=self.data.device)
        starts = range(0, self.steps, self.block)
        blocks = [
            self._take(order, start, min(start + self.block, self.steps))
            for start in (starts[0], starts[-1])
        ]
        return list({block.sizes: block for block in blocks}.values())

    def state_dict(self) -> dict[str, int]:
        """Return epoch and position."""
        return {"epoch": self.epoch, "step": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume at a position in this epoch; ignore that of another epoch."""
        if state["epoch"] == self.epoch:
            self._done = state["step"]

    def _distortion(self, n: int) -> Distortion | None:
        augment = self.module.augment
        data = self.data
        if not augment:
            return None
        arguments = (self.module.seed, self.epoch, n, *data.size)
        points = augment.draw_elastic(*arguments)
        background = self.module.empty_image(
            augment.fill_value if augment.fill_mode == "constant" else 0
        )
        return Distortion(
            augment.draw(*arguments).to(data.device),
            None if points is None else points.to(data.device),
            background.to(data.device, data.dtype),
            augment.fill_mode,
        )

    def _take(
        self, order: Tensor, first: int, last: int, distortion: Distortion | None = None
    ) -> ShuffledBlock:
        parts = []
        sizes = []
        for step in range(first, last):
            start = step * self.step_size
            stop = min((step + 1) * self.step_size, len(order))
            cut = [
                start + (stop - start) * rank // self.world for rank in (self.rank, self.rank + 1)
            ]
            parts.append(slice(*cut))
            sizes.append((cut[1] - cut[0], stop - start))
        own = (
            slice(parts[0].start, parts[-1].stop)
            if self.world == 1
            else torch.cat(
                [torch.arange(part.start, part.stop, device=order.device) for part in parts]
            )
        )
        return ShuffledBlock(self.data, order[own], sizes, first, distortion and distortion.of(own))


class EvaluationBlocks:
    """A part's batches in order, each image once over all processes."""

    def __init__(self, data: Resident, batch_size: int, rank: int, world: int) -> None:
        n = len(data.part)
        self.data = data
        self.batch_size = batch_size
        self.start = n * rank // world
        self.stop = n * (rank + 1) // world

    def __len__(self) -> int:
        return -(-(self.stop - self.start) // self.batch_size)

    def __iter__(self) -> Iterator[Block]:
        for start in range(self.start, self.stop, self.batch_size):
            part = slice(start, min(start + self.batch_size, self.stop))
            size = part.stop - part.start
            images = self.data.take(part)
            yield Block(images, self.data.labels[part], [(size, size)], start, self.data.start)
