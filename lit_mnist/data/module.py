"""The LightningDataModule: the whole data set as one tensor on the device, batches as slices of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from torch import Tensor

from ..network import as_images
from ..spec import NetworkSpec
from .augment import Augmentation, distort
from .idx import DataError
from .options import DataOptions
from .prepare import LazyImages, Part, Prepared, permutation, prepare
from .standardize import Standardizer

BLOCK = 25  # optimiser steps handed to Lightning at once: its cost per call is then spread over them


class Batch(NamedTuple):
    """One optimiser step's images (n, C, H, W) and labels (n,); `total` counts all processes' images."""

    images: Tensor
    labels: Tensor
    total: int


class Block:
    """The batches of some successive steps, on the device; `first` is the first one's number in its epoch."""

    def __init__(self, images: Tensor, labels: Tensor, sizes: list[tuple[int, int]], first: int = 0) -> None:
        self.images, self.labels, self.first = images, labels, first
        self._sizes = sizes  # (this process's images, all processes' images) of each step

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[Batch]:
        start = 0
        for own, total in self._sizes:
            yield Batch(self.images[start:start + own], self.labels[start:start + own], total)
            start += own

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """This process's and all processes' number of images, of each step."""
        return tuple(self._sizes)

    @property
    def total(self) -> int:
        """Number of images, over all processes."""
        return sum(total for _, total in self._sizes)

    def gather(self, images: Tensor, labels: Tensor) -> None:
        """Write the images (n, C, H, W) and labels (n,) into the given tensors, on the same device."""
        images.copy_(self.images)
        labels.copy_(self.labels)


class Resident:
    """One part of the data, standardised, on one device, in the network's precision."""

    def __init__(self, part: Part, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.part, self.device, self.dtype = part, device, dtype
        self.labels = torch.from_numpy(part.labels).to(device)
        self.images = None if isinstance(part.images, LazyImages) else as_images(part.images).to(device, dtype)

    def take(self, places: Tensor | slice) -> Tensor:
        """Return the images (n, C, H, W) at `places`."""
        if self.images is not None:
            return self.images[places]
        return as_images(self.part.images[_on_host(places)]).to(self.device, self.dtype)

    def gather(self, places: Tensor, images: Tensor) -> None:
        """Write the images at `places` into `images`, without a copy between where they lie on the device."""
        if self.images is not None:
            torch.index_select(self.images, 0, places, out=images)
        else:
            images.copy_(self.take(places))

    @property
    def side(self) -> int:
        """The images' width."""
        return self.part.images.shape[2]


class ResidentBytes(Resident):
    """Images too large to be kept standardised: bytes on the device, each value looked up when a batch is taken.

    For scalings that treat all pixels of a channel alike: `table` (256, channels) holds what each byte becomes,
    the same bits as `Standardizer.apply` gives.
    """

    def __init__(self, part: Part, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(part, device, dtype)
        lazy = part.images
        self.bytes = torch.from_numpy(lazy.pixels(slice(None))).to(device)
        channels = lazy.shape[3] if len(lazy.shape) == 4 else 1
        ramp = np.arange(256, dtype=np.uint8)[:, None, None, None].repeat(channels, 3)
        table = lazy.standardizer.apply(ramp if channels > 1 else ramp[..., 0])
        self.table = torch.from_numpy(table.reshape(256, channels)).to(device, dtype)

    def take(self, places: Tensor | slice) -> Tensor:
        """Return the images (n, C, H, W) at `places`."""
        pixels = self.bytes[places].int()
        if self.table.shape[1] == 1:
            return self.table[:, 0][pixels].unsqueeze(1)
        order = (2, 1, 0) if self.part.images.standardizer.bgr else (0, 1, 2)
        return torch.stack([self.table[:, out][pixels[..., source]] for out, source in enumerate(order)], 1)


def _on_host(places: Tensor | slice) -> np.ndarray | slice:
    return places if isinstance(places, slice) else places.cpu().numpy()


def resident(part: Part, device: torch.device, dtype: torch.dtype) -> Resident:
    """Return a part of the data for a device: standardised, as bytes on a GPU that has the room, or batch by batch."""
    lazy = part.images
    if isinstance(lazy, LazyImages) and lazy.standardizer.mean.ndim <= 1 and device.type == "cuda" and \
            lazy.nbytes < torch.cuda.mem_get_info(device)[0] // 2:
        return ResidentBytes(part, device, dtype)
    return Resident(part, device, dtype)


class ShuffledBlock(Block):
    """A block that knows which images it takes and gathers them when asked: kept blocks take hardly any memory.

    `matrices` (n, 2, 3) distort the images, over `background` (see `distort`); None leaves them alone.
    """

    def __init__(self, data: Resident, chosen: Tensor, sizes: list[tuple[int, int]], first: int,
                 matrices: Tensor | None = None, background: Tensor | None = None) -> None:
        self.data, self.chosen, self.matrices, self.background = data, chosen, matrices, background
        self.first, self._sizes = first, sizes

    @property
    def images(self) -> Tensor:
        """The images, (n, C, H, W), gathered anew each time."""
        images = self.data.take(self.chosen)
        return images if self.matrices is None else distort(images, self.matrices, self.background)

    @property
    def labels(self) -> Tensor:
        """The labels, (n,)."""
        return self.data.labels[self.chosen]

    def __iter__(self) -> Iterator[Batch]:
        return iter(Block(self.images, self.labels, self._sizes, self.first))

    def gather(self, images: Tensor, labels: Tensor) -> None:
        """Write the images and labels into the given tensors, without a copy between."""
        if self.matrices is not None:
            images.copy_(self.images)
        else:
            self.data.gather(self.chosen, images)
        torch.index_select(self.data.labels, 0, self.chosen, out=labels)


class TrainingBlocks:
    """An epoch's batches, shuffled by (seed, epoch), in blocks that end at the steps in `marks`.

    A state dict holds the position, so that a resumed run continues with the very next batch; the length
    always counts the whole epoch's blocks, as Lightning counts those that a resumed run has already made.
    """

    def __init__(self, module: MNISTDataModule, data: Resident, epoch: int, steps_before: int, marks: set[int],
                 block: int, rank: int, world: int) -> None:
        self.module, self.data, self.epoch = module, data, epoch
        self.block, self.rank, self.world = block, rank, world
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
                yield self._take(order, first, last, *distortion)
        self._done = 0

    def samples(self) -> list[Block]:
        """Return a block of each form that every epoch has: a whole one and, where it differs, the epoch's last."""
        order = torch.arange(len(self.data.part), device=self.data.device)
        starts = range(0, self.steps, self.block)
        blocks = [self._take(order, start, min(start + self.block, self.steps)) for start in (starts[0], starts[-1])]
        return list({block.sizes: block for block in blocks}.values())

    def state_dict(self) -> dict[str, int]:
        """Return epoch and position."""
        return {"epoch": self.epoch, "step": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a position in this epoch; another epoch's says nothing."""
        if state["epoch"] == self.epoch:
            self._done = state["step"]

    def _distortion(self, n: int) -> tuple[Tensor, Tensor] | tuple[()]:
        augment, data = self.module.augment, self.data
        if not augment:
            return ()
        matrices = augment.draw(self.module.seed, self.epoch, n, data.side)
        return matrices.to(data.device), self.module.background.to(data.device, data.dtype)

    def _take(self, order: Tensor, first: int, last: int, matrices: Tensor | None = None,
              background: Tensor | None = None) -> ShuffledBlock:
        parts, sizes = [], []
        for step in range(first, last):
            start, stop = step * self.step_size, min((step + 1) * self.step_size, len(order))
            cut = [start + (stop - start) * rank // self.world for rank in (self.rank, self.rank + 1)]
            parts.append(slice(*cut))
            sizes.append((cut[1] - cut[0], stop - start))
        own = slice(parts[0].start, parts[-1].stop) if self.world == 1 else \
            torch.cat([torch.arange(part.start, part.stop, device=order.device) for part in parts])
        return ShuffledBlock(self.data, order[own], sizes, first, None if matrices is None else matrices[own],
                             background)


class EvaluationBlocks:
    """A part's batches in order, each image once over all processes."""

    def __init__(self, data: Resident, batch_size: int, rank: int, world: int) -> None:
        n = len(data.part)
        self.data, self.batch_size = data, batch_size
        self.start, self.stop = n * rank // world, n * (rank + 1) // world

    def __len__(self) -> int:
        return -(-(self.stop - self.start) // self.batch_size)

    def __iter__(self) -> Iterator[Block]:
        for start in range(self.start, self.stop, self.batch_size):
            part = slice(start, min(start + self.batch_size, self.stop))
            size = part.stop - part.start
            yield Block(self.data.take(part), self.data.labels[part], [(size, size)], start)


class MNISTDataModule(L.LightningDataModule):
    """Pictures of classes, standardised and, where they fit, resident on the training device.

    Args:
        dataset: mnist, fashion_mnist, kmnist, emnist, cifar10, cifar100, digits (embedded in scikit-learn, nothing
            to download), or one's own: folder (CLASS/*.jpg), csv, arrays (.npz, .npy).
        root: folder in torchvision's layout; default $LIT_MNIST_DATA, else the user's cache folder. Of one's own
            data set: its folder or file.
        fallback: digits: where the data set cannot be had, use the embedded digits, loudly; null: an error.
        download: whether missing files may be fetched.
        batch_size: images of one batch, over all processes; `trainer.accumulate_grad_batches` make up a step.
        eval_batch_size: images of one evaluation batch.
        standardize: per_pixel (fitted on the training split), per_pixel_all (on all images: leaks test
            statistics), per_channel, global, unit (x/255), mean_removed (x/255 less each pixel's mean), tf (-1 to
            1), imagenet, caffe (fixed, for colour), or none.
        clip: bound of the standardised values in standard deviations, or null.
        split: official, or reshuffled (training and test images pooled, permuted, split anew).
        split_seed: seed of reshuffled splits and of seeded validation.
        validation_fraction: fraction of the training images set aside.
        validation: tail (the last images, Keras' rule) or seeded (drawn).
        validate_on: validation, test (the sources' habit), or none.
        mirror: address to download from instead of the data set's own.
        test_fraction: fraction of each class that is the test part of a folder, CSV or arrays without one.
        on_damaged: files of a folder that cannot be read: skip (named in a warning) or error.
        memory_fraction: fraction of the memory beyond which a folder's pictures are kept in a memory-mapped file.
        emnist_split: byclass, bymerge, balanced, letters, digits or mnist.
        augment: random distortion of the training images: rotation (degrees), scale, shear, shift (pixels).
        seed: seed of the order of batches and of the augmentation.
    """

    def __init__(self, dataset: str = "mnist", root: str | None = None, fallback: str | None = None,
                 download: bool = True, batch_size: int = 64, eval_batch_size: int = 1000,
                 standardize: str = "per_pixel", clip: float | None = None, split: str = "official",
                 split_seed: int = 42, validation_fraction: float = 0.1, validation: str = "tail",
                 validate_on: str = "validation", mirror: str | None = None, test_fraction: float = 0.2,
                 on_damaged: str = "skip", memory_fraction: float = 0.25, emnist_split: str = "balanced",
                 augment: Augmentation | None = None, seed: int = 1) -> None:
        super().__init__()
        for key, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if value < 1:
                raise DataError(f"data.{key} = {value!r} cannot work; accepted: a whole number above 0")
        self.options = DataOptions(dataset, Path(root) if root else None, fallback, download, standardize, clip,
                                   split, split_seed, validation_fraction, validation, validate_on, mirror,
                                   test_fraction, on_damaged, memory_fraction, emnist_split)
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.augment, self.seed = augment or Augmentation(), seed
        self._prepared: Prepared | None = None
        self._given: Standardizer | None = None
        self._network: NetworkSpec | None = None
        self._resident: dict[str, Resident] = {}

    @property
    def prepared(self) -> Prepared:
        """The arrays, read when first asked for. Raises DataError."""
        if self._prepared is None:
            self._prepared = prepare(self.options, self._given, self._network)
        return self._prepared

    def for_network(self, network: NetworkSpec) -> None:
        """Bring images to the size that `network` takes and compare classes, when the arrays are read."""
        if network != self._network:
            self._network, self._prepared = network, None
            self._resident.clear()

    def use(self, standardizer: Standardizer) -> None:
        """Scale images as a trained network's data were, instead of fitting anew."""
        self._given = standardizer

    @property
    def background(self) -> Tensor:
        """The standardised empty image, (1, C, H, W)."""
        shape = self.prepared.train.images.shape[1:]
        return as_images(self.prepared.standardizer.apply(np.zeros((1, *shape), np.uint8)))

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return -(-len(self.prepared.train) // self.step_size)

    @property
    def step_size(self) -> int:
        """Images of one optimiser step, over all processes: `batch_size`, times the batches that are accumulated."""
        module = None if self.trainer is None else self.trainer.lightning_module
        settings = getattr(module, "gradient_settings", None)
        return self.batch_size * (1 if settings is None else settings.accumulate)

    def setup(self, stage: str | None = None) -> None:
        """Read and check the files, for the network that is trained or tested."""
        spec = getattr(self.trainer and self.trainer.lightning_module, "spec", None)
        if isinstance(spec, NetworkSpec):
            self.for_network(spec)
        _ = self.prepared
        if self.trainer is not None:  # each epoch has blocks of its own
            self.trainer.reload_dataloaders_every_n_epochs = 1

    def train_dataloader(self) -> TrainingBlocks:
        """Return the current epoch's blocks (Lightning asks anew each epoch)."""
        trainer = self.trainer
        marks = {mark for callback in trainer.callbacks for mark in getattr(callback, "step_marks", ())}
        marks |= {trainer.max_steps} if trainer.max_steps > 0 else set()
        epoch = trainer.current_epoch
        return TrainingBlocks(self, self._on_device("train"), epoch, epoch * self.steps_per_epoch, marks,
                              self._block_size(), trainer.global_rank, trainer.world_size)

    def _block_size(self) -> int:
        """One step where Lightning was asked to count batches, else BLOCK, or less to log more often."""
        trainer = self.trainer
        counted = (trainer.limit_train_batches, trainer.val_check_interval, trainer.overfit_batches)
        if trainer.fast_dev_run or any(type(value) is int and value for value in counted):
            return 1
        return min(BLOCK, trainer.log_every_n_steps or BLOCK)

    def val_dataloader(self) -> EvaluationBlocks | list:
        """Return the validation batches; none where the configuration validates on nothing."""
        part = {"test": "test", "none": None}.get(self.options.validate_on, "validation")
        return self._evaluation(part) if part else []

    def test_dataloader(self) -> EvaluationBlocks:
        """Return the test batches."""
        return self._evaluation("test")

    def predict_dataloader(self) -> EvaluationBlocks:
        """Return the test batches."""
        return self._evaluation("test")

    def transfer_batch_to_device(self, batch: object, device: torch.device, dataloader_idx: int) -> object:
        """Leave blocks alone: they are on the device already."""
        return batch if isinstance(batch, Block) else super().transfer_batch_to_device(batch, device, dataloader_idx)

    def _evaluation(self, part: str) -> EvaluationBlocks:
        return EvaluationBlocks(self._on_device(part), self.eval_batch_size,
                                self.trainer.global_rank, self.trainer.world_size)

    def _dtype(self) -> torch.dtype:
        parameter = next(iter(self.trainer.lightning_module.parameters()), None)
        return torch.float32 if parameter is None else parameter.dtype

    def _on_device(self, part: str) -> Resident:
        device = self.trainer.strategy.root_device
        if part not in self._resident or self._resident[part].device != device:
            self._resident[part] = resident(getattr(self.prepared, part), device, self._dtype())
        return self._resident[part]
