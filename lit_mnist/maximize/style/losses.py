"""Content and style losses of Gatys, Ecker and Bethge (2015, arXiv:1508.06576)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def gram(activations: Tensor) -> Tensor:
    """Return the inner products (N, C, C) of maps (N, C, H, W), summed over positions."""
    by_place = activations.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
    return by_place.transpose(1, 2) @ by_place


def content_loss(activations: Tensor, target: Tensor) -> Tensor:
    """Return half the squared distance of activations of any equal shape."""
    return (activations - target).square().sum() / 2


def mean_gram(activations: Tensor) -> Tensor:
    """Return the Gram matrix divided by the number of positions, (N, C, C), which is comparable
    across sizes.
    """
    return gram(activations) / (activations.shape[2] * activations.shape[3])


def style_loss(activations: Tensor, target: Tensor) -> Tensor:
    """Return the squared distance of Gram matrices over ``4 N^2 M^2`` for activations (1, N, H, W),
    M = H W.

    `target` (1, N, N) is the style picture's `mean_gram`. If both pictures have M positions, this
    is ``sum((G - A)^2) / (4 N^2 M^2)``; otherwise each matrix is divided by its own M.
    """
    return _distance(mean_gram(activations), target)


def _distance(matrix: Tensor, target: Tensor) -> Tensor:
    return (matrix - target).square().sum() / (4 * target.shape[1] ** 2)


@dataclass(frozen=True)
class Weights:
    """Weights of the terms: content, each style layer, total variation."""

    content: float
    style: Mapping[str, float]
    total_variation: float = 0.0


@dataclass(frozen=True)
class Targets:
    """Targets of the losses: activations of the content layer, and matrices of each style picture
    by layer.

    `fractions` are the weights of the style pictures, which add up to 1.
    """

    content_layer: str
    content: Tensor
    grams: Mapping[str, Sequence[Tensor]]
    fractions: Sequence[float]

    def losses(self, activations: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the content loss and each style layer's loss, unweighted."""
        content = content_loss(activations[self.content_layer], self.content)
        return content, {
            layer: self._style(mean_gram(activations[layer]), layer) for layer in self.grams
        }

    def scales(self) -> tuple[float, dict[str, float]]:
        """Return the losses of activations that are zero everywhere: what automatic weights
        divide by.
        """
        content = float(self.content.square().sum() / 2)
        return content, {
            layer: float(self._style(torch.zeros_like(targets[0]), layer))
            for layer, targets in self.grams.items()
        }

    def _style(self, matrix: Tensor, layer: str) -> Tensor:
        distances = [_distance(matrix, target) for target in self.grams[layer]]
        return torch.stack(distances) @ matrix.new_tensor(self.fractions)
