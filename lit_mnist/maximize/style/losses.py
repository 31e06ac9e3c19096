"""Content and style as Gatys, Ecker and Bethge (2015, arXiv:1508.06576) measure them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def gram(activations: Tensor) -> Tensor:
    """Return the maps' inner products (N, C, C) of activations (N, C, H, W), summed over places."""
    by_place = activations.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
    return by_place.transpose(1, 2) @ by_place


def content_loss(activations: Tensor, target: Tensor) -> Tensor:
    """Return half the squared distance of two layers' activations, any equal shape."""
    return (activations - target).square().sum() / 2


def mean_gram(activations: Tensor) -> Tensor:
    """Return the Gram matrix over the number of places, (N, C, C): of pictures of any size alike."""
    return gram(activations) / (activations.shape[2] * activations.shape[3])


def style_loss(activations: Tensor, target: Tensor) -> Tensor:
    """Return the squared distance of Gram matrices over ``4 N^2 M^2`` for activations (1, N, H, W), M = H W.

    `target` (1, N, N) is the style picture's `mean_gram`: where both pictures have M places this is
    ``sum((G - A)^2) / (4 N^2 M^2)``, and where they have not, each matrix is divided by its own M.
    """
    return _distance(mean_gram(activations), target)


def _distance(matrix: Tensor, target: Tensor) -> Tensor:
    return (matrix - target).square().sum() / (4 * target.shape[1] ** 2)


@dataclass(frozen=True)
class Weights:
    """What the terms are multiplied with: content, each style layer's loss, total variation."""

    content: float
    style: Mapping[str, float]
    total_variation: float = 0.0


@dataclass(frozen=True)
class Targets:
    """What the losses compare with: the content layer's activations, and each style picture's matrices by layer.

    `fractions` say how much each style picture counts; they add up to 1.
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
        """Return the losses of activations that are zero everywhere: what automatic weights divide by."""
        content = float(self.content.square().sum() / 2)
        return content, {
            layer: float(self._style(torch.zeros_like(targets[0]), layer))
            for layer, targets in self.grams.items()
        }

    def _style(self, matrix: Tensor, layer: str) -> Tensor:
        distances = [_distance(matrix, target) for target in self.grams[layer]]
        return torch.stack(distances) @ matrix.new_tensor(self.fractions)
