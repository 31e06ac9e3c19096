"""What happens beside the steps: reports, curves, early stop, checkpoints, the initial weights, the clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar

from ..errors import UserError
from ..files import write_text
from ..runs.lock import Lock
from ..runs.record import RECORD
from .initial import save_initial_weights


@dataclass(frozen=True)
class History:
    """Metrics by epoch, each list one value an epoch.

    Validation lists hold None for epochs that were not validated, and are empty where none was.
    """

    epochs: list[int] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    val_acc: list[float | None] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float | None] = field(default_factory=list)

    def add(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add an epoch's ``train/acc``, ``train/loss`` and, where it was validated, ``val/acc`` and ``val/loss``."""
        before = len(self.epochs)
        self.epochs.append(epoch)
        for key in ("train/acc", "train/loss", "val/acc", "val/loss"):
            values = getattr(self, key.replace("/", "_"))
            if values or key in metrics:
                values += [None] * (before - len(values)) + [metrics.get(key)]


class EpochHistory(Callback):
    """Keeps the metrics of every epoch, through interruptions too, and hands them to `draw` after each.

    `draw(history, path)` writes the training curves; it is handed in, so that training imports no figures. Where
    epochs are so short that drawing would take more than a twentieth of the time, not all of them are drawn.
    """

    def __init__(self, draw: Callable[[History, Path], None] | None = None) -> None:
        self.history = History()
        self.draw = draw
        self._folder: Path | None = None
        self._next = 0.0
        self._undrawn = False

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Learn where to draw: every process must ask at the same time."""
        self._folder = run_folder(trainer) if self.draw is not None else None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Take the epoch's metrics; validation has already run."""
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
            self.draw(self.history, self._folder / "training_curves.png")
            self._next = time.monotonic() + 20 * (time.monotonic() - start)
            self._undrawn = False

    def state_dict(self) -> dict[str, Any]:
        """Return the history as plain lists."""
        return {key: list(values) for key, values in vars(self.history).items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint's history."""
        self.history = History(**{key: list(values) for key, values in state_dict.items()})


class EpochReport(Callback):
    """Prints one line an epoch: steps, learning rate, metrics; and the time that the whole run will take."""

    def __init__(self) -> None:
        self._started = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start the clock of an epoch that goes on."""
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start the epoch's clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Print the line."""
        metrics = pl_module.epoch_metrics
        if not trainer.is_global_zero:
            return
        shown = "  ".join(
            f"{key} {metrics[key]:.4f}"
            for key in ("train/loss", "train/acc", "val/loss", "val/acc")
            if key in metrics
        )
        seconds = time.perf_counter() - self._started
        left = (
            (trainer.max_epochs - trainer.current_epoch - 1) * seconds if trainer.max_epochs else 0
        )
        say(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  step {trainer.global_step}  "
            f"lr {metrics['lr']:.8e}  {shown}  {seconds:.1f} s, about {duration(left)} left"
        )


class StopAtAccuracy(Callback):
    """Stops at the end of the epoch in which `monitor` exceeds `threshold`."""

    def __init__(self, threshold: float, monitor: str = "train/acc") -> None:
        if not 0 < threshold <= 1:
            raise UserError(
                f"StopAtAccuracy: threshold = {threshold!r} cannot work; accepted: a fraction up to 1"
            )
        self.threshold = threshold
        self.monitor = monitor

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Stop where the threshold is exceeded."""
        metrics = pl_module.epoch_metrics
        if (
            self.monitor in ("val/acc", "val/loss")
            and trainer.enable_validation
            and not pl_module.validated_now
        ):
            return
        if self.monitor not in metrics:
            raise UserError(
                f"StopAtAccuracy: monitor = {self.monitor!r} is not logged; accepted: "
                f"{', '.join(sorted(metrics))}"
            )
        if metrics[self.monitor] > self.threshold:
            trainer.should_stop = True
            say(f"\nReached {100 * self.threshold:g}% accuracy so cancelling training!")


class Clock(Callback):
    """Seconds spent in training epochs (validation excluded) and images trained on, through interruptions too.

    `sessions` counts the processes that have trained: 1 plus the number of interruptions. `epoch_seconds` are the
    seconds of each epoch.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0
        self.sessions = 1
        self._last = 0.0
        self.epoch_seconds: list[float] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start counting within an epoch that goes on."""
        self._last = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start counting."""
        self._last = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the block's images and the time since the last one; a GPU's work counts once it is done."""
        if trainer.is_last_batch and pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        now = time.perf_counter()
        self.seconds = self.seconds + now - self._last
        self._last = now
        self.images += getattr(batch, "total", 0) or len(batch[1])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Note the epoch's seconds."""
        self.epoch_seconds.append(self.seconds - sum(self.epoch_seconds))

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Leave out the validation's time."""
        self._last = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted."""
        return {
            "seconds": self.seconds,
            "images": self.images,
            "sessions": self.sessions,
            "epoch_seconds": list(self.epoch_seconds),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.seconds = state_dict["seconds"]
        self.images = state_dict["images"]
        self.sessions = state_dict.get("sessions", 1) + 1
        self.epoch_seconds = list(state_dict.get("epoch_seconds", []))


class RunRecord(Callback):
    """Locks the run folder, writes the initial weights, and puts the configuration into every checkpoint."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config = config
        self.lock = None

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Keep other processes out of the run's folder."""
        folder = run_folder(trainer)
        if stage == "fit" and folder and trainer.is_global_zero and self.lock is None:
            self.lock = Lock(Path(folder))

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Save the initial weights of a run that starts."""
        folder = run_folder(trainer)
        if folder and trainer.is_global_zero and trainer.global_step == 0:
            save_initial_weights(pl_module.network, Path(folder) / "initial_weights.safetensors")
            if pl_module.start is not None:
                table = pl_module.start.text(listed=None)
                write_text(Path(folder) / "initial_weights.txt", table + "\n")

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: dict) -> None:
        """Add the configuration; the module adds what opening the checkpoint takes."""
        checkpoint[RECORD] = {"config": self.config}


class StepProgress(ProgressBar):
    """A rich progress bar of optimiser steps on standard error, with running metrics and the time left."""

    def __init__(self, refresh_seconds: float = 0.5) -> None:
        super().__init__()
        self._refresh = refresh_seconds
        self._bar = None
        self._enabled = True
        self._next = 0.0

    def disable(self) -> None:
        """Show nothing."""
        self._enabled = False

    def enable(self) -> None:
        """Show the bar."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Open the bar."""
        if not (self._enabled and trainer.is_global_zero and sys.stderr.isatty()):
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            auto_refresh=False,
        )
        self._bar.start()
        self._task = self._bar.add_task(
            "", total=pl_module.total_steps, completed=trainer.global_step
        )

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar, at most every `refresh_seconds`: only then are metrics read from the device."""
        if self._bar is None or (now := time.perf_counter()) < self._next:
            return
        self._next = now + self._refresh
        metrics = pl_module.sums.metrics()
        self._bar.update(
            self._task,
            completed=trainer.global_step,
            refresh=True,
            description=(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs} "
                f"loss {metrics['loss']:.4f} acc {metrics['acc']:.4f}"
            ),
        )

    def teardown(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Close the bar, whatever ended the run."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def run_folder(trainer: L.Trainer) -> Path | None:
    """Return the run's folder, None where nothing is logged; every process must ask (the first one tells)."""
    return Path(trainer.log_dir) if trainer.loggers and trainer.log_dir else None


def say(text: str) -> None:
    """Print a line for people, on standard error."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Spell seconds as ``45 s``, ``12 min`` or ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
