"""An optimiser step, a block of them, and what surrounds it: sums on the device, learning rates, shared gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..data.module import Batch
from ..network import Network, predicted_classes
from .averaging import Average
from .losses import data_loss, penalty
from .schedules import Schedule

Scalars = Sequence[float | Tensor | None]  # one a step: plain numbers, or 0-dim tensors on the device
Sizes = tuple[tuple[int, int], ...]  # this process's and all processes' images, of each step


class StepResult(NamedTuple):
    """What one step gave, detached: mean data loss over `total` images, penalty, this process's logits and labels."""

    loss: Tensor
    penalty: Tensor | None
    logits: Tensor
    labels: Tensor
    total: int


class BlockResult(NamedTuple):
    """What a block of k steps gave: losses (k,), and sums (4,) of loss, penalty, correct answers and images."""

    losses: Tensor
    sums: Tensor


@dataclass
class Step:
    """One optimiser step on one batch.

    All that it works on are its fields, so that a deep copy is a rehearsal that leaves the real thing alone.
    Where rates and shares are tensors on the device, it neither waits for the device nor depends on the host.
    """

    network: Network
    optimizer: torch.optim.Optimizer
    average: Average | None = None
    label_smoothing: float = 0.0
    world: int = 1
    backward: Callable[[Tensor], None] = Tensor.backward

    def __call__(self, batch: Batch, rate: float | Tensor | None, share: float | Tensor | None) -> StepResult:
        """Forward, backward, update, average; `rate` None leaves the optimiser's own, `share` is for the average."""
        if rate is not None:
            set_rate(self.optimizer, rate)
        logits = self.network.training_logits(batch.images)
        loss = data_loss(self.network, logits, batch.labels, self.label_smoothing, batch.total)
        extra = penalty(self.network)
        self.backward(loss if extra is None else loss + extra / self.world)
        if self.world > 1:
            reduce_gradients(self.network)
        self.optimizer.step()
        self.optimizer.zero_grad()
        device = batch.images.device.type
        if torch.is_autocast_enabled(device):
            torch.clear_autocast_cache()  # else the next step would see this step's weights in low precision
        if self.average is not None:
            self.average.update(share)
        return StepResult(loss.detach(), None if extra is None else extra.detach(), logits.detach(), batch.labels,
                          batch.total)


def run_steps(step: Step, batches: Iterable[Batch], sizes: Sizes, rates: Scalars, shares: Scalars) -> BlockResult:
    """Make one step a batch and sum up what they gave."""
    results = [step(*arguments) for arguments in zip(batches, rates, shares, strict=True)]
    return summed(results, sizes)


def summed(results: Sequence[StepResult], sizes: Sizes) -> BlockResult:
    """Return the losses of some steps, and their sums in float64."""
    losses = torch.stack([result.loss for result in results])
    totals, own = weights_of(sizes, losses.device)
    loss = (losses.double() * totals).sum()
    extra = loss.new_zeros(()) if results[0].penalty is None else \
        (torch.stack([result.penalty for result in results]).double() * own).sum()
    answers = predicted_classes(torch.cat([result.logits for result in results]))
    correct = (answers == torch.cat([result.labels for result in results])).sum()
    return BlockResult(losses, torch.stack([loss, extra, correct.double(), own.sum()]))


@functools.lru_cache(64)
def weights_of(sizes: Sizes, device: torch.device) -> Tensor:
    """Return what each step counts, float64 (2, k): all processes' images, and this one's; kept on the device."""
    return torch.tensor([[total, own] for own, total in sizes], dtype=torch.float64, device=device).T


class Sums:
    """Sums of loss, penalty and correct answers, kept on the device and read when asked for."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self._sums: Tensor | None = None  # loss, penalty, correct, images
        self._before: Tensor | None = None  # the sums when `interval` was last asked

    def add(self, sums: Tensor) -> None:
        """Add a block's sums (4,)."""
        self._sums = sums.clone() if self._sums is None else self._sums + sums

    def figures(self, world: int = 1) -> dict[str, float]:
        """Return loss (with penalty), data_loss, acc, correct, images, and the penalty with its share of the loss."""
        if self._sums is None:
            return {}
        sums = self._sums
        if world > 1:
            dist.all_reduce(sums := sums.clone())
        return figures(sums)

    def interval(self, world: int = 1) -> Tensor:
        """Return the sums since the last call, over all processes."""
        sums = self._sums if self._before is None else self._sums - self._before
        self._before = self._sums
        if world > 1:
            dist.all_reduce(sums := sums.clone())
        return sums

    def state(self) -> list[Tensor | None]:
        """Return what `restore` takes."""
        return [self._sums, self._before]

    def restore(self, states: Sequence[Sequence[Tensor | None]], rank: int, world: int, device: torch.device) -> None:
        """Go on from the `states` of all processes; the first takes all where their number has changed."""
        if len(states) == world:
            kept = states[rank]
        else:
            kept = [_total(tensors) if rank == 0 else None for tensors in zip(*states, strict=True)]
        self._sums, self._before = (None if tensor is None else tensor.to(device) for tensor in kept)


def _total(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    return torch.stack(known).sum(0) if known else None


def figures(sums: Tensor) -> dict[str, float]:
    """Return the figures of some steps' sums (4,); waits for the device."""
    data, extra, correct, images = sums.tolist()
    found = {"loss": (data + extra) / images, "acc": correct / images, "correct": correct, "images": images}
    if extra:
        found |= {"data_loss": data / images, "penalty": extra / images, "penalty_share": extra / (data + extra)}
    return found


def learning_rates(schedule: Schedule, steps: int) -> list[float]:
    """Return the learning rate of every update, and of the one after the last."""
    return schedule.for_run(max(steps, 2)).table(steps + 1).tolist()


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def reduce_gradients(network: nn.Module) -> None:
    """Add up all processes' gradients (each is already divided by the whole batch's size), in one message."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in
                                     zip(flat.split([g.numel() for g in gradients]), gradients, strict=True)])
