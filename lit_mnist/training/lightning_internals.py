"""Lightning's private parts that this program reaches for, in one place: an upgrade of Lightning breaks only this."""

from __future__ import annotations

from collections.abc import Iterable

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from lightning.pytorch.trainer.connectors.callback_connector import _CallbackConnector


def order_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    """Return callbacks in the order in which Lightning calls them: checkpoints last."""
    return _CallbackConnector._reorder_callbacks(list(callbacks))


def starts_processes_itself(trainer: L.Trainer) -> bool:
    """Whether the trainer spawns or forks its processes out of this one (ddp_spawn, ddp_fork, ddp_notebook)."""
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


def steps_between_saves(callback: Callback) -> int:
    """Return after how many optimiser steps a ModelCheckpoint saves, 0 for any that does not count steps."""
    return int(getattr(callback, "_every_n_train_steps", 0) or 0)
