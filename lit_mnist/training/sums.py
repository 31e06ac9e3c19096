"""Sums of loss, penalty and correct answers over steps, from which all metrics are computed.

They are float64 and stay on the device until they are read. A device without float64 keeps each
step's values, which are added up in float64 on the host when they are read.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ..network import predicted_classes
from .devices import has_float64

Sizes = tuple[tuple[int, int], ...]  # this process's and all processes' images, of each step


class StepResult(NamedTuple):
    """One step's results, detached: mean loss over `total` images, penalty, logits, labels."""

    loss: Tensor
    penalty: Tensor | None
    logits: Tensor
    labels: Tensor
    total: int


class StepValues(NamedTuple):
    """The values of k steps on a device without float64: losses and penalties (k,), correct ()."""

    losses: Tensor
    penalties: Tensor | None
    correct: Tensor
    sizes: Sizes

    def sums(self) -> Tensor:
        """Return the sums (4,) on the host, in float64; waits for the device."""
        own, totals = np.array(self.sizes, np.float64).T
        loss = (_to_host(self.losses) * totals).sum()
        penalty = 0.0 if self.penalties is None else (_to_host(self.penalties) * own).sum()
        return torch.from_numpy(np.array([loss, penalty, float(self.correct), own.sum()]))


class BlockResult(NamedTuple):
    """The results of k steps: losses (k,), and sums (4,) of loss, penalty, correct and images.

    On a device without float64, the host adds `sums` up later.
    """

    losses: Tensor
    sums: Tensor | StepValues


def summed(results: Sequence[StepResult], sizes: Sizes) -> BlockResult:
    """Return the losses of some steps, and their sums in float64."""
    losses = torch.stack([result.loss for result in results])
    penalties = [result.penalty for result in results if result.penalty is not None]
    answers = predicted_classes(torch.cat([result.logits for result in results]))
    correct = (answers == torch.cat([result.labels for result in results])).sum()
    if not has_float64(losses.device):
        return BlockResult(
            losses,
            StepValues(losses, torch.stack(penalties) if penalties else None, correct, sizes),
        )
    totals, own = step_weights(sizes, losses.device)
    loss = (losses.double() * totals).sum()
    penalty = (torch.stack(penalties).double() * own).sum() if penalties else loss.new_zeros(())
    return BlockResult(losses, torch.stack([loss, penalty, correct.double(), own.sum()]))


@functools.lru_cache(64)
def step_weights(sizes: Sizes, device: torch.device) -> Tensor:
    """Return the weights of each step, float64 (2, k): images of all processes, and of this one."""
    return torch.tensor(
        [[total, own] for own, total in sizes], dtype=torch.float64, device=device
    ).T


class Sums:
    """Sums of loss, penalty and correct answers, which stay on the device until read."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all sums to zero."""
        self._sums: Tensor | None = None  # loss, penalty, correct, images
        self._before: Tensor | None = None  # the sums when `interval` was last asked
        self._pending: list[StepValues] = []  # not added up yet: only on a device without float64

    def add(self, sums: Tensor | StepValues) -> None:
        """Add a block's sums (4,)."""
        if isinstance(sums, StepValues):
            self._pending.append(sums)
        else:
            self._sums = sums.clone() if self._sums is None else self._sums + sums

    def metrics(self, world: int = 1) -> dict[str, float]:
        """Return loss (with penalty), data_loss, acc, correct, images, penalty, penalty_share.

        Empty before the first `add`.
        """
        sums = self._so_far()
        return {} if sums is None else metrics_of(_over_processes(sums, world))

    def interval(self, world: int = 1) -> Tensor:
        """Return the sums (4,) since the last call, over all processes.

        Something must have been added.
        """
        sums = self._so_far()
        assert sums is not None
        since = sums if self._before is None else sums - self._before
        self._before = sums
        return _over_processes(since, world)

    def state(self) -> list[Tensor | None]:
        """Return the state for `restore`."""
        return [self._so_far(), self._before]

    def restore(
        self, states: Sequence[Sequence[Tensor | None]], rank: int, world: int, device: torch.device
    ) -> None:
        """Continue from the `states` of all processes.

        If their number has changed, the first process takes all.
        """
        if len(states) == world:
            kept = states[rank]
        else:
            kept = [_total(tensors) if rank == 0 else None for tensors in zip(*states, strict=True)]
        place = device if has_float64(device) else torch.device("cpu")
        self._sums, self._before = (None if tensor is None else tensor.to(place) for tensor in kept)
        self._pending = []

    def _so_far(self) -> Tensor | None:
        pending = self._pending
        self._pending = []
        for values in pending:
            self.add(values.sums())
        return self._sums


def metrics_of(sums: Tensor) -> dict[str, float]:
    """Return the metrics of some steps' sums (4,); waits for the device."""
    data, penalty, correct, images = sums.tolist()
    metrics = {
        "loss": (data + penalty) / images,
        "acc": correct / images,
        "correct": correct,
        "images": images,
    }
    if penalty:
        fraction = penalty / (data + penalty)
        metrics |= {
            "data_loss": data / images,
            "penalty": penalty / images,
            "penalty_share": fraction,
        }
    return metrics


def _over_processes(sums: Tensor, world: int) -> Tensor:
    if world > 1:
        dist.all_reduce(sums := sums.clone())
    return sums


def _total(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    return torch.stack(known).sum(0) if known else None


def _to_host(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.float64)
