"""Callbacks of every run: the record of the run, and a stop at a given accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from ..errors import UserError
from ..files import write_text
from ..runs.lock import Lock
from ..runs.record import RECORD
from .initial import save_initial_weights
from .reports import say


class StopAtAccuracy(Callback):
    """Stops at the end of the epoch in which `monitor` exceeds `threshold`."""

    def __init__(self, threshold: float, monitor: str = "train/acc") -> None:
        if not 0 < threshold <= 1:
            raise UserError(
                f"StopAtAccuracy: threshold = {threshold!r} cannot work; accepted: a fraction up "
                "to 1"
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


class RunRecord(Callback):
    """Locks the run folder, writes initial weights, adds the configuration to checkpoints."""

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
                table = pl_module.start.text(most=None)
                write_text(Path(folder) / "initial_weights.txt", table + "\n")

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: dict) -> None:
        """Add the configuration; the module adds what opening the checkpoint takes."""
        checkpoint[RECORD] = {"config": self.config}


def run_folder(trainer: L.Trainer) -> Path | None:
    """Return the run's folder, None without loggers.

    Every process must call this: the first one broadcasts the folder.
    """
    return Path(trainer.log_dir) if trainer.loggers and trainer.log_dir else None
