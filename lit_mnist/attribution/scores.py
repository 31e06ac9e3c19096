"""The explained number of images as a module, with its gradients row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..inside.passes import batch_size, gradient_batch_size
from ..network import Network
from .targets import Target, at_a_time, units

_PART = 100  # images at a time, so few that activations stay in the caches


class Score(nn.Module):
    """The explained number as a module: images (N, C, H, W), directions (N, outputs) -> (N,)."""

    def __init__(self, network: Network, target: Target) -> None:
        super().__init__()
        self.network = network
        self.layer = target.layer
        self.position = target.position

    def forward(self, images: Tensor, directions: Tensor) -> Tensor:
        return (self.outputs(images) * directions).sum(1)

    def outputs(self, images: Tensor) -> Tensor:
        """Return the outputs that the directions weight, (N, outputs)."""
        if self.layer is None:
            return self.network(images)
        images = self.network.layer_values(images, self.layer)[self.layer]
        return units(images, self.position)


class FastScore(nn.Module):
    """A `Score` with the same bits, only for values and gradients: hooks on layers do not fire.

    Images and their gradients are computed in small batches, which fit the memory and the
    processor's caches, however many are given; max-pools come before the activations that they
    follow.
    """

    def __init__(self, network: Network, target: Target) -> None:
        super().__init__()
        self.score = Score(network, target)

    def forward(self, images: Tensor, directions: Tensor) -> Tensor:
        spec = self.score.network.spec
        if images.requires_grad and torch.is_grad_enabled():
            return _RowScores.apply(images, *self.gradients(images.detach(), directions))
        parts = _parts(images, directions, batch_size(spec, _PART))
        return torch.cat([self._score(*part) for part in parts])

    def gradients(self, images: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (N,) of images (N, C, H, W), and the gradient of each row's score."""
        scores = []
        gradients = []
        most = gradient_batch_size(self.score.network.spec, _PART)
        for part, side in _parts(images, directions, most):
            with torch.enable_grad():
                part = part.detach().requires_grad_()
                values = self._score(part, side)
                gradients.append(torch.autograd.grad(values.sum(), part)[0])
            scores.append(values.detach())
        return torch.cat(scores), torch.cat(gradients)

    def outputs(self, images: Tensor) -> Tensor:
        """Return the outputs that the directions weight, (N, outputs), without gradient."""
        parts = images.split(at_a_time(self.score.network))
        with torch.no_grad():
            return torch.cat([self._outputs(part) for part in parts])

    def _outputs(self, images: Tensor) -> Tensor:
        if self.score.layer is None:
            return self.score.network.training_logits(images)
        return self.score.outputs(images)

    def _score(self, images: Tensor, directions: Tensor) -> Tensor:
        return (self._outputs(images) * directions).sum(1)


class RepeatedScore(FastScore):
    """A `FastScore` that, after `rewind`, returns for the same images in the same order what it has
    computed before.
    """

    def __init__(self, network: Network, target: Target) -> None:
        super().__init__(network, target)
        self.computed: list[tuple[Tensor, Tensor]] = []
        self.repeated: Iterator[tuple[Tensor, Tensor]] | None = None

    def gradients(self, images: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        if self.repeated is not None:
            return next(self.repeated)
        self.computed.append(super().gradients(images, directions))
        return self.computed[-1]

    def rewind(self) -> None:
        """Begin to repeat what was computed."""
        self.repeated = iter(self.computed)


class _RowScores(torch.autograd.Function):
    """Scores (N,) of images (N, C, H, W) whose gradients, by row, are known."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, scores: Tensor, gradients: Tensor) -> Tensor:
        ctx.save_for_backward(gradients)
        return scores.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * upstream[0].view(-1, 1, 1, 1), None, None


def _parts(images: Tensor, directions: Tensor, most: int) -> Iterable[tuple[Tensor, Tensor]]:
    """Return equal slices of at most `most` images; matrix products of very few would round
    differently.
    """
    parts = max(1, -(-len(images) // most))
    return zip(images.tensor_split(parts), directions.tensor_split(parts), strict=True)
