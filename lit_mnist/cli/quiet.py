"""Lightning without its advertisements, and without warnings that do not concern the user."""

from __future__ import annotations

import logging
import warnings


def quieten() -> None:
    """Hide Lightning's advertisements, and its warnings that do not concern the user."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # `trainer.profiler` prints its report at this level
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in (
        r".*LeafSpec.*",
        r"Experiment logs directory .* exists and is not empty",
        r"The number of training batches .* is smaller than the logging interval",
        r"`val_dataloader` does not exist|.*does not have many workers",
        r".*no `val_dataloader`|Total length of `list` across ranks is zero",
        r"Checkpoint directory .* exists and is not empty",
        # the checkpoint rightly holds the state after the step
        r"Using ModelCheckpoint with manual optimization",
        # logged metrics are already those of all processes
        r"It is recommended to use .*sync_dist=True",
    ):
        warnings.filterwarnings("ignore", message=message)
