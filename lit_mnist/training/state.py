"""The state that a checkpoint needs beside weights and optimiser for an exact resumption."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, cast

import lightning as L
import numpy as np
import torch
import torch.distributed as dist

from .lightning_internals import start_next_epoch
from .steplog import StepLog
from .sums import Sums


def random_states() -> dict[str, Any]:
    """Return the states of Python's, NumPy's, torch's and every GPU's generator as plain values."""
    legacy = np.random.get_state()  # noqa: NPY002 - libraries draw from it
    kind, keys, position, has_gauss, gauss = cast(tuple[Any, ...], legacy)
    version, internal, spare = random.getstate()
    return {
        "python": [version, list(internal), spare],
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "mps": [torch.mps.get_rng_state()] if torch.backends.mps.is_available() else [],
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Set generators to the `states` that `random_states` returned."""
    version, internal, spare = states["python"]
    random.setstate((version, tuple(internal), spare))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])
    if states.get("mps") and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"][0])


def gather(own: dict[str, Any], world: int) -> list[dict[str, Any]]:
    """Return every process's `own`, in the order of their ranks."""
    if world == 1:
        return [own]
    all_states: list[dict[str, Any]] = [{}] * world
    dist.all_gather_object(all_states, own)
    return all_states


def fit_epoch_end(loops: dict[str, Any]) -> bool:
    """Make a checkpoint of an epoch's end start the next epoch. Returns whether it is one.

    Lightning saves at an epoch's end before it counts the epoch as completed. Counting it here
    makes the state independent of how Lightning reads such epochs. Other checkpoints are unchanged.
    """
    epoch = loops["epoch_progress"]
    if epoch["current"]["processed"] < epoch["current"]["started"]:
        return False
    for progress in (epoch["total"], epoch["current"]):
        progress["completed"] = progress["processed"]
    return True


def plain_groups(states: list[dict[str, Any]]) -> None:
    """Remove GPU-only settings from optimisers' state dicts.

    Training on a GPU sets it again.
    """
    for state in states:
        for group in state["param_groups"]:
            if "capturable" in group:
                group["capturable"] = False


class ResumeState:
    """The part of a checkpoint beside weights and optimiser: sums, generators, positions.

    `random` and `fresh_epoch` are kept from loading a checkpoint to the first step of training.
    """

    def __init__(self, sums: Sums, step_log: StepLog) -> None:
        self._sums = sums
        self._step_log = step_log
        self.validated: dict[str, float] = {}  # the last validation's metrics
        self.validated_in: int | None = None  # the epoch in which it was made
        self.random: dict[str, Any] | None = None
        self.fresh_epoch = False  # whether training starts with a new epoch

    def save(self, checkpoint: dict[str, Any], trainer: L.Trainer) -> None:
        """Add the state of all processes to a checkpoint; every process must call this."""
        plain_groups(checkpoint.get("optimizer_states", []))
        own = {"sums": self._sums.state(), "random": random_states()}
        checkpoint["training"] = {
            "processes": gather(own, trainer.world_size),
            "unlogged": self._step_log.unlogged,
            "validated": self.validated,
            "validated_in": self.validated_in,
            "stopped": trainer.should_stop,
        }

    def load(self, checkpoint: dict[str, Any], trainer: L.Trainer, device: torch.device) -> None:
        """Read the state of a checkpoint; checkpoints of other programs may lack it."""
        self.fresh_epoch = fit_epoch_end(checkpoint["loops"]["fit_loop"])
        state = checkpoint.get("training")
        if state is None:
            return
        processes = state["processes"]
        self._step_log.unlogged = state["unlogged"]
        self.validated = state["validated"]
        self.validated_in = state.get("validated_in")
        trainer.should_stop = state["stopped"]
        if len(processes) == trainer.world_size:
            self.random = processes[trainer.global_rank]["random"]
        if not self.fresh_epoch:
            sums = [process["sums"] for process in processes]
            self._sums.restore(sums, trainer.global_rank, trainer.world_size, device)

    def start(self, trainer: L.Trainer) -> None:
        """Restore the generators of a resumed run.

        Nothing may draw between this and the next step.
        """
        if self.fresh_epoch:
            start_next_epoch(trainer)
        if self.random is not None:
            restore_random_states(self.random)
        self.fresh_epoch = False
        self.random = None
