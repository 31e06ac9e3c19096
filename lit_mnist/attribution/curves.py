"""Deletion and insertion: how the class's probability falls and rises with the highest-ranked
pixels.

After Petsiuk, Das & Saenko (2018, arXiv:1806.07421), with half of the pixels and an empty image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import nearest
from ..network import Network
from .targets import AttributionError, Target, at_a_time

KINDS = ("deletion", "insertion")
STEPS = 20


@dataclass(frozen=True)
class Curve:
    """Probability of the explained class, (N, steps + 1), after each number of highest-ranked
    pixels in `counts`.

    `kind` is ``deletion`` (pixels are set to the background) or ``insertion`` (pixels are restored
    on an empty image).
    """

    kind: str
    counts: np.ndarray
    probability: np.ndarray

    @property
    def mean_probability(self) -> np.ndarray:
        """Mean probability over the steps after the start, (N,)."""
        return self.probability[:, 1:].mean(1)


def ranking(attributions: Tensor) -> Tensor:
    """Return pixels (N, H * W) by decreasing magnitude; channels are summed, ties stay in reading
    order.

    Evidence against a class ranks as high as evidence for it. Ranked by sign, ink that speaks
    against the class would come after all blank pixels, whose attribution is zero, and would never
    be restored.
    """
    return _descending(attributions.sum(1).abs())


def random_ranking(images: Tensor, seed: int) -> Tensor:
    """Return a random order of the pixels for each image, (N, H * W)."""
    generator = torch.Generator().manual_seed(seed)
    size = images.shape[2] * images.shape[3]
    return torch.stack([torch.randperm(size, generator=generator) for _ in images]).to(
        images.device
    )


def intensity_ranking(images: Tensor, background: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Return the pixels by decreasing brightness, (N, H * W); `scale` turns input units into
    ink.
    """
    return _descending(((images - background) * scale).sum(1))


def _descending(values: Tensor) -> Tensor:
    return values.flatten(1).argsort(dim=1, descending=True, stable=True)


@torch.no_grad()
def curve(
    network: Network,
    images: Tensor,
    target: Target,
    order: Tensor,
    background: Tensor,
    kind: str,
    steps: int = STEPS,
) -> Curve:
    """Delete or insert the first half of `order` (N, H * W) in `steps` equal steps; raise
    AttributionError.
    """
    if kind not in KINDS:
        raise AttributionError(f"kind {kind!r} of curve: unknown; {nearest(kind, KINDS)}")
    if target.first is None:
        raise AttributionError(
            f"{kind}: a map has no probability; accepted: a class or a difference as the target"
        )
    counts = np.linspace(0, order.shape[1] // 2, steps + 1).round().astype(int)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = (
        torch.empty_like(order).scatter_(1, order, places).view(len(images), 1, *images.shape[2:])
    )
    empty = background.to(images).expand_as(images)
    front, rest = (empty, images) if kind == "deletion" else (images, empty)
    images = torch.cat([torch.where(rank < int(count), front, rest) for count in counts])
    probability = _probability(network, images, target.first.repeat(len(counts)))
    return Curve(kind, counts, probability.reshape(len(counts), -1).T)


def _probability(network: Network, images: Tensor, classes: Tensor) -> np.ndarray:
    rows = [
        network.probabilities(network.training_logits(part))
        for part in images.split(max(1, at_a_time(network) // 4))
    ]
    return torch.cat(rows).gather(1, classes[:, None])[:, 0].double().cpu().numpy()
