"""Gradients between the backward pass and the update: sums over processes, clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import Tensor, nn

from ..data.module import Block
from ..errors import UserError


class GradientError(UserError):
    """A setting of clipping or accumulation that cannot work."""


@dataclass(frozen=True)
class Clipping:
    """Clips gradients in place.

    Neither algorithm waits for the device, so steps with it can be captured in a CUDA graph.

    norm: all gradients are scaled by ``min(1, value / norm)``, `norm` being that of all of them
    together. This is Keras' ``global_clipnorm``; torch's `clip_grad_norm_` adds 1e-6 to the norm.
    value: each element is limited to +-value, as by Keras' ``clipvalue`` and torch's
    `clip_grad_value_`.
    """

    value: float
    algorithm: Literal["norm", "value"] = "norm"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise GradientError(
                f"trainer.gradient_clip_val = {self.value!r} cannot work; accepted: a number "
                "above 0, or null (no clipping)"
            )

    @torch.no_grad()
    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Clip the gradients of `parameters`."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.algorithm == "value":
            torch._foreach_clamp_min_(gradients, -self.value)
            torch._foreach_clamp_max_(gradients, self.value)
        else:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, (self.value / norm).clamp(max=1.0))


def reduce_gradients(network: nn.Module) -> None:
    """Add up all processes' gradients in one message.

    Each is already divided by the whole batch's size.
    """
    gradients: list[Tensor] = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(
        gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
    )


@dataclass(frozen=True)
class GradientSettings:
    """A Trainer's gradient settings, which our own step applies."""

    clip_val: float | None = None
    clip_algorithm: GradClipAlgorithmType | None = None
    accumulate: int = 1

    @property
    def clipping(self) -> Clipping | None:
        """What clips the gradients, or None."""
        if not self.clip_val:
            return None
        by_value = self.clip_algorithm == GradClipAlgorithmType.VALUE
        return Clipping(float(self.clip_val), "value" if by_value else "norm")


def settings_of(trainer: L.Trainer) -> GradientSettings:
    """Return a Trainer's clipping and accumulation."""
    return GradientSettings(
        trainer.gradient_clip_val, trainer.gradient_clip_algorithm, trainer.accumulate_grad_batches
    )


def withhold_settings(trainer: L.Trainer) -> GradientSettings:
    """Take clipping and accumulation from a Trainer; manual optimisation forbids them."""
    settings = settings_of(trainer)
    give_back_settings(trainer, GradientSettings())
    return settings


def give_back_settings(trainer: L.Trainer, settings: GradientSettings) -> None:
    """Give a Trainer its settings back."""
    trainer.gradient_clip_val = settings.clip_val
    trainer.gradient_clip_algorithm = settings.clip_algorithm
    trainer.accumulate_grad_batches = settings.accumulate


class BatchCollector:
    """Collects `count` batches (images, labels) for an optimiser step; fewer at an epoch's end."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._batches: list[tuple[Tensor, Tensor]] = []

    def add(self, batch: Block | tuple[Tensor, Tensor], last: bool) -> Block | None:
        """Add a batch; return a block of one step once it is complete, else None.

        A block of the data module's is complete.
        """
        if isinstance(batch, Block):
            return batch
        self._batches.append(batch)
        if len(self._batches) < self.count and not last:
            return None
        images, labels = (
            map(torch.cat, zip(*self._batches, strict=True)) if len(self._batches) > 1 else batch
        )
        self._batches = []
        return Block.of((images, labels))
