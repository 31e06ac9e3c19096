"""What a checkpoint must hold beside weights and optimiser, so that training goes on as if never interrupted."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

RANDOM = ("python", "numpy", "torch", "cuda")


def random_states() -> dict[str, Any]:
    """Return the states of Python's, NumPy's, torch's and every GPU's generator as plain values and tensors."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 (libraries draw from it)
    version, internal, spare = random.getstate()
    return {"python": [version, list(internal), spare],
            "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []}


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Put generators into the `states` that `random_states` returned."""
    version, internal, spare = states["python"]
    random.setstate((version, tuple(internal), spare))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])


def gather(own: dict[str, Any], world: int) -> list[dict[str, Any]]:
    """Return every process's `own`, in the order of their ranks."""
    if world == 1:
        return [own]
    everyone: list[dict[str, Any]] = [{}] * world
    dist.all_gather_object(everyone, own)
    return everyone


def fit_epoch_end(loops: dict[str, Any]) -> bool:
    """Make a checkpoint saved at an epoch's end start the next epoch; return whether it was saved there.

    Lightning saves in the hooks of an epoch's end before it counts the epoch as completed; counted here, the
    state does not depend on how it reads such half-counted epochs. Others are left as they are.
    """
    epoch = loops["epoch_progress"]
    if epoch["current"]["processed"] < epoch["current"]["started"]:
        return False
    for progress in (epoch["total"], epoch["current"]):
        progress["completed"] = progress["processed"]
    return True


def plain_groups(states: list[dict[str, Any]]) -> None:
    """Take out of optimisers' state dicts what holds on a GPU alone; training puts it back where it goes on there."""
    for state in states:
        for group in state["param_groups"]:
            if "capturable" in group:
                group["capturable"] = False
