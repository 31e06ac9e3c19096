"""Settings that Lightning's Trainer accepts but training here does not support; refused before any
file is written.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import lightning as L
from lightning.pytorch import callbacks as cb
from lightning.pytorch.callbacks import Callback

from ..errors import UserError, first_line, is_finite, is_whole, need_whole
from ..training.classifier import LitClassifier
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

# the least whole number of each
_WHOLE = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "num_nodes": 1,
    "log_every_n_steps": 0,
    "num_sanity_val_steps": -1,
    "max_epochs": -1,
    "min_epochs": 0,
    "max_steps": -1,
    "min_steps": 0,
    "fast_dev_run": 0,
}
_PARTS = (
    "limit_train_batches",
    "limit_val_batches",
    "limit_test_batches",
    "limit_predict_batches",
    "overfit_batches",
    "val_check_interval",
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


def check_numbers(trainer: Mapping[str, Any]) -> None:
    """Raise UserError for a number of the Trainer's settings that it would refuse later or not at
    all.
    """
    for key, least in _WHOLE.items():
        if (value := trainer.get(key)) is not None and not isinstance(value, bool):
            need_whole(f"trainer.{key}", value, least)
    for key in _PARTS:
        value = trainer.get(key)
        if value is None or (is_whole(value) and value >= 0):
            continue
        if not is_finite(value) or not 0 <= value <= 1:
            raise UserError(
                f"trainer.{key} = {value!r} cannot work; accepted: a whole number of batches, or a "
                "fraction, 0.0 to 1.0"
            )


def check_optimizer(model: LitClassifier) -> None:
    """Raise UserError if optimiser or scheduler refuse their settings, as training would find."""
    try:
        model.configure_optimizers()
        model.rates.check()
    except UserError:
        raise
    except Exception as error:  # whatever a class of torch or of the user's own raises
        raise UserError(f"model.optimizer, model.schedule: {first_line(error)}") from error


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
