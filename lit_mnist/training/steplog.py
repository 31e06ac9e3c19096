"""Metrics between the ends of epochs: the loggers get those of every `log_every_n_steps` steps."""

from __future__ import annotations

from functools import partial

import lightning as L
from torch import Tensor

from .cuda.copies import HostCopies
from .lightning_internals import attributes
from .sums import Sums, metrics_of


class StepLog:
    """Sends running metrics to the loggers.

    From a GPU they are copied first, so that no step waits.
    """

    def __init__(self, sums: Sums, copies: HostCopies) -> None:
        self.sums = sums
        self.copies = copies
        self.unlogged = 0  # steps since metrics were last sent

    def add(self, trainer: L.Trainer, steps: int, rate: float) -> None:
        """Count `steps` more steps; send the metrics of every `trainer.log_every_n_steps` steps."""
        self.unlogged += steps
        if not trainer.loggers or self.unlogged < attributes(trainer).log_every_n_steps:
            return
        self.unlogged = 0
        self.copies.start(
            self.sums.interval(trainer.world_size),
            partial(_write, trainer, step=trainer.global_step, rate=rate),
        )


def write_metrics(trainer: L.Trainer, metrics: dict[str, float], step: int) -> None:
    """Give metrics to all loggers."""
    for logger in trainer.loggers:
        logger.log_metrics(metrics, step)


def _write(trainer: L.Trainer, sums: Tensor, step: int, rate: float) -> None:
    metrics = metrics_of(sums)
    write_metrics(
        trainer, {"step/loss": metrics["loss"], "step/acc": metrics["acc"], "lr": rate}, step
    )
