"""What surrounds an optimiser step: sums kept on the device, the table of learning rates, shared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .schedules import Schedule


class StepResult(NamedTuple):
    """What one step gave, detached: mean data loss over `total` images, penalty, this process's logits and labels."""

    loss: Tensor
    penalty: Tensor | None
    logits: Tensor
    labels: Tensor
    total: int


class Sums:
    """Sums of loss, penalty and correct answers, kept on the device and read when asked for."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self._sums: Tensor | None = None  # loss, penalty, correct, images
        self._before: Tensor | None = None  # the sums when `interval` was last asked

    def add(self, results: Sequence[StepResult]) -> None:
        """Add the results of some steps, all at once."""
        first = results[0].loss
        sizes = first.new_tensor([[result.total, len(result.labels)] for result in results], dtype=torch.float64).T
        loss = torch.stack([result.loss for result in results]).double() @ sizes[0]
        extra = loss.new_zeros(()) if results[0].penalty is None else \
            torch.stack([result.penalty for result in results]).double() @ sizes[1]
        answers = torch.cat([result.logits for result in results]).argmax(1)
        correct = (answers == torch.cat([result.labels for result in results])).sum()
        sums = torch.stack([loss, extra, correct.double(), sizes[1].sum()])
        self._sums = sums if self._sums is None else self._sums + sums

    def figures(self, world: int = 1) -> dict[str, float]:
        """Return loss (with penalty), data_loss, acc, correct, images, and the penalty with its share of the loss."""
        if self._sums is None:
            return {}
        sums = self._sums
        if world > 1:
            dist.all_reduce(sums := sums.clone())
        return _figures(sums)

    def interval(self, world: int = 1) -> dict[str, float]:
        """Return the figures since the last call, over all processes."""
        sums = self._sums if self._before is None else self._sums - self._before
        self._before = self._sums
        if world > 1:
            dist.all_reduce(sums := sums.clone())
        return _figures(sums)

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


def _figures(sums: Tensor) -> dict[str, float]:
    data, extra, correct, images = sums.tolist()
    figures = {"loss": (data + extra) / images, "acc": correct / images, "correct": correct, "images": images}
    if extra:
        figures |= {"data_loss": data / images, "penalty": extra / images, "penalty_share": extra / (data + extra)}
    return figures


def learning_rates(schedule: Schedule, steps: int) -> list[float]:
    """Return the learning rate of every update, and of the one after the last."""
    return schedule.for_run(max(steps, 2)).table(steps + 1).tolist()


def reduce_gradients(network: nn.Module) -> None:
    """Add up all processes' gradients (each is already divided by the whole batch's size), in one message."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in
                                     zip(flat.split([g.numel() for g in gradients]), gradients, strict=True)])
