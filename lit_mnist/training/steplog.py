"""Figures between the ends of epochs: the loggers get those of every `log_every_n_steps` steps."""

from __future__ import annotations

from functools import partial

import lightning as L
from torch import Tensor

from .cuda.copies import Arrivals
from .steps import Sums, figures


class StepLog:
    """Sends running figures to the loggers; on a GPU once they have arrived, so that no step waits for them."""

    def __init__(self, sums: Sums, arrivals: Arrivals) -> None:
        self.sums, self.arrivals = sums, arrivals
        self.unlogged = 0  # steps since figures were last sent off

    def add(self, trainer: L.Trainer, steps: int, rate: float) -> None:
        """Count `steps` more steps; send off the figures when `trainer.log_every_n_steps` have gathered."""
        self.unlogged += steps
        if self.unlogged < trainer.log_every_n_steps or not trainer.loggers:
            return
        self.unlogged = 0
        self.arrivals.send(self.sums.interval(trainer.world_size),
                           partial(_write, trainer, step=trainer.global_step, rate=rate))


def write(trainer: L.Trainer, found: dict[str, float], step: int) -> None:
    """Give figures to all loggers."""
    for logger in trainer.loggers:
        logger.log_metrics(found, step)


def _write(trainer: L.Trainer, sums: Tensor, step: int, rate: float) -> None:
    found = figures(sums)
    write(trainer, {"step/loss": found["loss"], "step/acc": found["acc"], "lr": rate}, step)
