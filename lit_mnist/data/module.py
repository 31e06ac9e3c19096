"""The LightningDataModule, which reads the data when needed and yields blocks of batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from ..errors import need_whole
from ..network import as_images
from ..spec import NetworkSpec
from .augment import Augmentation
from .blocks import Batch, Block, EvaluationBlocks, TrainingBlocks
from .features import Features
from .idx import DataError
from .kmeans import ClusterFeatures
from .options import DataOptions
from .prepare import Prepared, prepare
from .resident import Resident, resident
from .standardize import Standardizer

__all__ = ["Batch", "Block", "EvaluationBlocks", "MNISTDataModule", "TrainingBlocks"]
# optimiser steps in one call by Lightning, which spreads the cost of the call over them
BLOCK = 25


class MNISTDataModule(L.LightningDataModule):
    """Pictures of classes, standardised and, where they fit, resident on the training device.

    Args:
        dataset: mnist, fashion_mnist, kmnist, emnist, cifar10, cifar100, digits (embedded in
            scikit-learn, nothing to download), or your own: folder (CLASS/*.jpg), csv, arrays
            (.npz, .npy).
        root: folder in torchvision's layout; default $LIT_MNIST_DATA, else the user's cache folder.
            For your own data set: its folder or file.
        fallback: digits: use the embedded digits if the data set is unavailable, with a warning;
            null: raise an error.
        download: whether missing files may be fetched.
        batch_size: images of one batch, over all processes; `trainer.accumulate_grad_batches` make
            up a step.
        eval_batch_size: images of one evaluation batch.
        standardize: per_pixel (fitted on the training split), per_pixel_all (on all images: leaks
            test statistics), per_channel, global, unit (x/255), mean_removed (x/255 less each
            pixel's mean), tf (-1 to 1), imagenet, caffe (fixed, for colour), or none.
        clip: bound of the standardised values in standard deviations, or null.
        split: official, or reshuffled (training and test images pooled, permuted, split anew).
        split_seed: seed of reshuffled splits and of seeded validation.
        validation_fraction: fraction of the training images set aside.
        validation: tail (the last images, Keras' rule) or seeded (drawn).
        validate_on: validation, test (the sources' habit), or none.
        mirror: address to download from instead of the data set's own.
        test_fraction: fraction of each class that is the test part of a folder, CSV or arrays
            without one.
        on_damaged: files of a folder that cannot be read: skip (named in a warning) or error.
        memory_fraction: fraction of the memory beyond which a folder's pictures are kept in a
            memory-mapped file.
        emnist_split: byclass, bymerge, balanced, letters, digits or mnist.
        augment: random distortion of the training images: rotation (degrees), scale, shear, shift
            (pixels), elastic (pixels) with elastic_spacing, and, in Keras' terms, width_shift,
            height_shift, shear_angle (degrees), zoom, horizontal_flip, vertical_flip, fill_mode
            (background, constant with fill_value, nearest, reflect, wrap).
        features: distances to k-means clusters instead of the pixels: kmeans (their number), images
            (train, or all: then test images take part in the centres), scale (each distance
            standardised, or together), n_init, batch_size, max_iter, seed. `fit` gives the network
            the layers that measure them.
        seed: seed of the order of batches and of the augmentation.
    """

    def __init__(
        self,
        dataset: str = "mnist",
        root: str | None = None,
        fallback: str | None = None,
        download: bool = True,
        batch_size: int = 64,
        eval_batch_size: int = 1000,
        standardize: str = "per_pixel",
        clip: float | None = None,
        split: str = "official",
        split_seed: int = 42,
        validation_fraction: float = 0.1,
        validation: str = "tail",
        validate_on: str = "validation",
        mirror: str | None = None,
        test_fraction: float = 0.2,
        on_damaged: str = "skip",
        memory_fraction: float = 0.25,
        emnist_split: str = "balanced",
        augment: Augmentation | None = None,
        features: ClusterFeatures | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__()
        for key, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            need_whole(f"data.{key}", value, error=DataError)
        self.options = DataOptions(
            dataset,
            Path(root) if root else None,
            fallback,
            download,
            standardize,
            clip,
            split,
            split_seed,
            validation_fraction,
            validation,
            validate_on,
            mirror,
            test_fraction,
            on_damaged,
            memory_fraction,
            emnist_split,
        )
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.augment = augment or Augmentation()
        self.features = features
        self.seed = seed
        self._prepared: Prepared | None = None
        self._standardizer: Standardizer | None = None
        self._network: NetworkSpec | None = None
        self._resident: dict[str, Resident] = {}

    @property
    def prepared(self) -> Prepared:
        """The arrays, read when first needed. Raises DataError."""
        if self._prepared is None:
            self._prepared = prepare(self.options, self._standardizer, self._network)
        return self._prepared

    def for_network(self, network: NetworkSpec) -> None:
        """Adapt images to the size of `network` and compare classes when the arrays are read."""
        if network != self._network:
            self._network = network
            self._prepared = None
            self._resident.clear()

    def use(self, standardizer: Standardizer) -> None:
        """Scale images as a trained network requires, instead of fitting a new scaling."""
        self._standardizer = standardizer

    def empty_image(self, level: float = 0.0) -> Tensor:
        """Return the standardised image (1, C, H, W) of constant `level` (0 to 255)."""
        shape = self.prepared.train.images.shape[1:]
        return as_images(self.prepared.standardizer.apply(np.full((1, *shape), level)))

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return -(-len(self.prepared.train) // self.step_size)

    @property
    def step_size(self) -> int:
        """Images of one optimiser step, over all processes and accumulated batches."""
        module = None if self.trainer is None else self.trainer.lightning_module
        settings = getattr(module, "gradient_settings", None)
        return self.batch_size * (1 if settings is None else settings.accumulate)

    @property
    def _attached(self) -> Any:
        """The trainer, typed Any, since Lightning does not declare all its attributes."""
        return self.trainer

    def setup(self, stage: str | None = None) -> None:
        """Read and check the files, for the network that is trained or tested."""
        spec = getattr(self.trainer and self._attached.lightning_module, "spec", None)
        if isinstance(spec, NetworkSpec):
            self.for_network(spec)
        _ = self.prepared
        if self.trainer is not None:  # each epoch has blocks of its own
            self._attached.reload_dataloaders_every_n_epochs = 1

    def train_dataloader(self) -> TrainingBlocks:
        """Return the current epoch's blocks (Lightning asks anew each epoch)."""
        trainer = self._attached
        marks = {
            mark for callback in trainer.callbacks for mark in getattr(callback, "step_marks", ())
        }
        marks |= {trainer.max_steps} if trainer.max_steps > 0 else set()
        epoch = trainer.current_epoch
        return TrainingBlocks(
            self,
            self._on_device("train"),
            epoch,
            epoch * self.steps_per_epoch,
            marks,
            self._block_size(),
            trainer.global_rank,
            trainer.world_size,
        )

    def _block_size(self) -> int:
        """Return 1 if Lightning counts batches, else BLOCK, or fewer steps to log more often."""
        trainer = self._attached
        counted = (trainer.limit_train_batches, trainer.val_check_interval, trainer.overfit_batches)
        if trainer.fast_dev_run or any(type(value) is int and value for value in counted):
            return 1
        return min(BLOCK, trainer.log_every_n_steps or BLOCK)

    def val_dataloader(self) -> EvaluationBlocks | list:
        """Return the validation batches, none without validation."""
        part = {"test": "test", "none": None}.get(self.options.validate_on, "validation")
        return self._evaluation(part) if part else []

    def test_dataloader(self) -> EvaluationBlocks:
        """Return the test batches."""
        return self._evaluation("test")

    def predict_dataloader(self) -> EvaluationBlocks:
        """Return the test batches."""
        return self._evaluation("test")

    def transfer_batch_to_device(
        self, batch: object, device: torch.device, dataloader_idx: int
    ) -> object:
        """Return blocks unchanged, since they are on the device already."""
        return (
            batch
            if isinstance(batch, Block)
            else super().transfer_batch_to_device(batch, device, dataloader_idx)
        )

    def _evaluation(self, part: str) -> EvaluationBlocks:
        return EvaluationBlocks(
            self._on_device(part),
            self.eval_batch_size,
            self._attached.global_rank,
            self._attached.world_size,
        )

    def _dtype(self) -> torch.dtype:
        parameter = next(iter(self._attached.lightning_module.parameters()), None)
        return torch.float32 if parameter is None else parameter.dtype

    def _on_device(self, part: str) -> Resident:
        """Return a part's images on the device; in a fit, outputs of frozen layers instead."""
        device = self._attached.strategy.root_device
        start = self._resting(part)
        key = f"{part}/{start}"
        if key not in self._resident or self._resident[key].device != device:
            images = resident(getattr(self.prepared, part), device, self._dtype())
            self._resident[key] = images if start is None else self._features(images, start)
        return self._resident[key]

    def _resting(self, part: str) -> str | None:
        """Return the layer whose outputs replace the images.

        None if images are distorted or no layer is frozen.
        """
        fitting = self._attached.state.fn == "fit"
        distorted = part == "train" and bool(self.augment)
        return (
            getattr(self._attached.lightning_module, "resting_value", None)
            if (fitting and not distorted)
            else None
        )

    def _features(self, images: Resident, start: str) -> Features:
        module = self._attached.lightning_module
        with self._attached.precision_plugin.forward_context():
            return Features(
                images, start, module.resting_values, self.batch_size, self.options.memory_fraction
            )
