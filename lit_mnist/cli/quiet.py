"""Lightning without its advertisements, and without warnings that are about its own affairs."""

from __future__ import annotations

import logging
import warnings


def quieten() -> None:
    """Leave out Lightning's advertisements and the warnings that are about its own affairs."""
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
        r"Using ModelCheckpoint with manual optimization",  # it holds the state after it, rightly
        r"It is recommended to use .*sync_dist=True",  # the metrics logged are all processes' already
    ):
        warnings.filterwarnings("ignore", message=message)
