"""What a run keeps of every epoch: its metrics, drawn as curves, and its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from .callbacks import run_folder
from .lightning_internals import attributes


@dataclass(frozen=True)
class History:
    """Metrics by epoch, each list one value an epoch.

    Validation lists hold None for epochs without validation, and are empty if there was none at
    all.
    """

    epochs: list[int] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    val_acc: list[float | None] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float | None] = field(default_factory=list)

    def add(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add an epoch's training metrics, and those of validation if there are any."""
        before = len(self.epochs)
        self.epochs.append(epoch)
        for key in ("train/acc", "train/loss", "val/acc", "val/loss"):
            values = getattr(self, key.replace("/", "_"))
            if values or key in metrics:
                values += [None] * (before - len(values)) + [metrics.get(key)]


class EpochHistory(Callback):
    """Keeps the metrics of every epoch, across interruptions, and draws them as curves.

    `draw(history, path, dataset)` writes the training curves, where `dataset` is the data set's
    name, None if unknown; it is an argument, so that training imports no figures. If epochs are so
    short that drawing would take more than a twentieth of the time, some are not drawn.
    """

    def __init__(self, draw: Callable[[History, Path, str | None], None] | None = None) -> None:
        self.history = History()
        self.draw = draw
        self._folder: Path | None = None
        self._next = 0.0
        self._undrawn = False

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Ask for the run's folder, which every process must do at the same time."""
        self._folder = run_folder(trainer) if self.draw is not None else None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Add the epoch's metrics; validation has already run."""
        self.history.add(trainer.current_epoch + 1, pl_module.epoch_metrics)
        self._undrawn = True
        if time.monotonic() >= self._next:
            self._draw(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Draw the whole history."""
        self._draw(trainer)

    def _draw(self, trainer: L.Trainer) -> None:
        if self._undrawn and self.draw and self._folder and trainer.is_global_zero:
            start = time.monotonic()
            prepared = getattr(attributes(trainer).datamodule, "prepared", None)
            dataset = None if prepared is None else prepared.dataset.name
            self.draw(self.history, self._folder / "training_curves.png", dataset)
            self._next = time.monotonic() + 20 * (time.monotonic() - start)
            self._undrawn = False

    def state_dict(self) -> dict[str, Any]:
        """Return the history as plain lists."""
        return {key: list(values) for key, values in vars(self.history).items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a checkpoint's history."""
        self.history = History(**{key: list(values) for key, values in state_dict.items()})


class Clock(Callback):
    """Counts images and seconds of training, without validation, across interruptions.

    `sessions` counts the processes that have trained: 1 plus the number of interruptions.
    `epoch_seconds` are the seconds of each epoch.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0
        self.sessions = 1
        self._last = 0.0
        self.epoch_seconds: list[float] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start counting within a resumed epoch."""
        self._last = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start counting."""
        self._last = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the block's images and its time, once a GPU has finished it."""
        if trainer.is_last_batch and pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        now = time.perf_counter()
        self.seconds = self.seconds + now - self._last
        self._last = now
        self.images += getattr(batch, "total", 0) or len(batch[1])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Store the epoch's seconds."""
        self.epoch_seconds.append(self.seconds - sum(self.epoch_seconds))

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Skip the time of the validation."""
        self._last = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "seconds": self.seconds,
            "images": self.images,
            "sessions": self.sessions,
            "epoch_seconds": list(self.epoch_seconds),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counts."""
        self.seconds = state_dict["seconds"]
        self.images = state_dict["images"]
        self.sessions = state_dict.get("sessions", 1) + 1
        self.epoch_seconds = list(state_dict.get("epoch_seconds", []))
