"""How long a fit is, in optimiser steps."""

from __future__ import annotations

from typing import cast

import lightning as L

from .lightning_internals import attributes


def steps_per_epoch(trainer: L.Trainer, accumulate: int) -> int:
    """Return the optimiser steps of one epoch.

    `accumulate` batches of other loaders make one step.
    """
    per_epoch = getattr(attributes(trainer).datamodule, "steps_per_epoch", None)
    if per_epoch:
        return per_epoch
    return -(-cast(int, trainer.num_training_batches) // accumulate)


def total_steps(trainer: L.Trainer, per_epoch: int) -> int:
    """Return the optimiser steps of the whole fit, `per_epoch` in one epoch."""
    if trainer.max_steps > 0:
        return trainer.max_steps
    return per_epoch * max(trainer.max_epochs or 1, 1)


def images_per_pass(trainer: L.Trainer, accumulate: int) -> int | None:
    """Return this process's images of one batch; None unless a step takes several batches."""
    source = attributes(trainer).datamodule or trainer.train_dataloader
    batch_size = getattr(source, "batch_size", None)
    if accumulate == 1 or batch_size is None:
        return None
    return -(-batch_size // trainer.world_size)
