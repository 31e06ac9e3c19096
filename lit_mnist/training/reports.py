"""What training prints on standard error: a line an epoch, and a progress bar."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, ProgressBar


class EpochReport(Callback):
    """Prints one line an epoch: steps, learning rate, metrics, and the time left."""

    def __init__(self) -> None:
        self._started = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start the clock of a resumed epoch."""
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


class StepProgress(ProgressBar):
    """A progress bar of optimiser steps on standard error, with running metrics."""

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
        """Move the bar every `refresh_seconds`, since it reads metrics from the device."""
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
        """Close the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def say(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Write seconds as ``45 s``, ``12 min`` or ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
