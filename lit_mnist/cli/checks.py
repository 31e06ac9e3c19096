"""Settings that Lightning's Trainer accepts but training here does not support; refused before any
file is written.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

import lightning as L
from lightning.pytorch import callbacks as cb
from lightning.pytorch.callbacks import Callback

from ..errors import UserError
from ..training.lightning_internals import starts_processes_itself

_AUTOMATIC = (
    "needs Lightning's automatic optimisation, but one training step here runs a block of "
    "optimiser steps"
)
# Callbacks that would fail half-way or silently do nothing, and what to use instead; the first
# match counts
_REFUSED: tuple[tuple[type[Callback], str], ...] = (
    (cb.StochasticWeightAveraging, "model.average_decay, a moving average of the weights"),
    (cb.WeightAveraging, "model.average_decay, a moving average of the weights"),
    (cb.LearningRateFinder, "a learning rate of your own, in model.optimizer or model.schedule"),
    (cb.BatchSizeFinder, "data.batch_size"),
    (
        cb.GradientAccumulationScheduler,
        "trainer.accumulate_grad_batches, one number for the whole run",
    ),
    (cb.BaseFinetuning, "model.initial_weights, and training all layers from there"),
    (cb.ModelPruning, "a smaller network"),
    (cb.SpikeDetection, "the built-in check for NaN and infinity, which is always on"),
    (cb.ThroughputMonitor, "images_per_second in summary.json"),
)


def check_callbacks(class_paths: Iterable[str]) -> None:
    """Raise UserError for a callback that cannot work here, before it is built: some fail even
    then.
    """
    for path in class_paths:
        module, _, name = path.rpartition(".")
        callback = getattr(importlib.import_module(module), name)
        for kind, instead in _REFUSED:
            if isinstance(callback, type) and issubclass(callback, kind):
                raise UserError(
                    f"trainer.callbacks: {callback.__name__} {_AUTOMATIC}; accepted instead: "
                    f"{instead}"
                )


def check_trainer(trainer: L.Trainer) -> None:
    """Raise UserError for lengths and process launchers of `trainer` that cannot work here."""
    for key in ("max_epochs", "max_steps", "limit_train_batches"):
        if getattr(trainer, key) == 0:
            raise UserError(
                f"trainer.{key} = 0 trains nothing; accepted: a number above 0, or the command "
                "test for a trained network"
            )
    if starts_processes_itself(trainer):
        raise UserError(
            "trainer.strategy: spawned or forked processes cannot return the trained network; "
            "accepted: ddp, which starts the program once for each device"
        )
