"""Parts of Lightning that are private or undeclared, so that an upgrade breaks one module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, cast

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loops.progress import _ProcessedTracker
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from lightning.pytorch.trainer.connectors.callback_connector import _CallbackConnector


class TrainerAttributes(Protocol):
    """Public attributes of a Trainer that its connectors set and its class does not declare."""

    callbacks: list[Callback]
    datamodule: Any
    fast_dev_run: int | bool
    log_every_n_steps: int


def attributes(trainer: L.Trainer) -> TrainerAttributes:
    """Return the trainer itself, typed by the attributes that its connectors set."""
    return cast(TrainerAttributes, trainer)


def order_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    """Return callbacks in the order in which Lightning calls them: checkpoints last."""
    return _CallbackConnector._reorder_callbacks(list(callbacks))


def starts_processes_itself(trainer: L.Trainer) -> bool:
    """Return whether the trainer itself starts processes (ddp_spawn, ddp_fork, ddp_notebook)."""
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


def steps_between_saves(callback: Callback) -> int:
    """Return after how many steps a ModelCheckpoint saves; 0 if it does not count steps."""
    return int(getattr(callback, "_every_n_train_steps", 0) or 0)


def count_steps(trainer: L.Trainer, steps: int) -> None:
    """Count optimiser steps that were made without Lightning's knowledge in one `training_step`."""
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    for counter in (progress.total, progress.current):
        counter.ready += steps
        counter.completed += steps
    count_logged_steps(trainer, steps)


def count_logged_steps(trainer: L.Trainer, steps: int) -> None:
    """Advance the loggers' step by the steps of one `training_step`; Lightning itself adds one."""
    trainer.fit_loop.epoch_loop._batches_that_stepped += steps - 1


def bypass_ddp(trainer: L.Trainer, model: L.LightningModule) -> None:
    """Remove DDP's wrapper, since our step adds up the processes' gradients itself."""
    trainer.strategy.model = model


def start_next_epoch(trainer: L.Trainer) -> None:
    """Have a resumed fit start a new epoch, since the last one has ended."""
    trainer.fit_loop.restarting = False


def is_last_block(trainer: L.Trainer) -> bool:
    """Whether the block that has just run is the epoch's last."""
    return trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def epochs_processed(trainer: L.Trainer) -> int:
    """Return the number of epochs whose training has ended, the present one included."""
    current = cast(_ProcessedTracker, trainer.fit_loop.epoch_progress.current)
    return current.processed


def event_file(logger: TensorBoardLogger) -> Any:
    """Return torch's writer of the logger's event file.

    The public `file_writer` is None once Lightning has closed it after fit; this opens the next
    file.
    """
    return logger.experiment._get_file_writer()
