"""Completeness, infidelity and sensitivity of attributions (the last two by Captum's metrics)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum import metrics
from torch import Tensor

from ..network import Network
from .baselines import Baseline
from .method import Method, captum, fast_score_of
from .targets import Target, at_a_time

_PATCH = 8  # side of the squares that infidelity covers
_SAMPLES = 50
NOISES = 10  # of the sensitivity check, for each image
FIRST_NOISES = 3  # of them, which settle the check where the map moves little


@dataclass(frozen=True)
class Completeness:
    """Sum of each image's attributions beside the change of its score from the baseline, both
    (N,).
    """

    total: np.ndarray
    change: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """``|total - change| / |change|``, (N,)."""
        return np.abs(self.total - self.change) / np.maximum(
            np.abs(self.change), np.finfo(np.float32).tiny
        )


@torch.no_grad()
def completeness(
    network: Network, images: Tensor, target: Target, attributions: Tensor, baseline: Baseline
) -> Completeness:
    """Compare sums with changes of the score; several baselines count with their mean."""
    score = fast_score_of(network, target)

    def scores(x: Tensor) -> Tensor:
        return score(x, target.directions).double()

    change = scores(images) - sum(scores(start) for start in baseline(images)) / len(baseline)
    return Completeness(attributions.double().sum((1, 2, 3)).cpu().numpy(), change.cpu().numpy())


class RememberedScore:
    """A score that computes each batch of images only once."""

    def __init__(self, network: Network, target: Target) -> None:
        self.score = fast_score_of(network, target)
        self.scores: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def __call__(self, images: Tensor, directions: Tensor) -> Tensor:
        key = hashlib.sha256(
            images.cpu().numpy().tobytes() + directions.cpu().numpy().tobytes()
        ).digest()
        if key not in self.scores:
            self.scores[key] = self.score(images, directions)
        return self.scores[key]


def infidelity(
    network: Network,
    images: Tensor,
    target: Target,
    attributions: Tensor,
    background: Tensor,
    multiplied: bool,
    samples: int = _SAMPLES,
    seed: int = 0,
    score: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> np.ndarray:
    """Return the fraction of the score's changes that the map does not predict, (N,): 0 all
    explained, 1 none.

    Captum's infidelity (Yeh et al. 2019, arXiv:1901.09392), at the best scale of the map, over
    squares of 8 x 8 pixels set to the background at random places, divided by the mean squared
    change. Slopes (``multiplied`` false) are first multiplied by the pixels' change. The squares
    depend only on the seed, so that a `RememberedScore` computes their scores once for all methods.
    """
    score = score or fast_score_of(network, target)
    empty = background.to(images)
    attributions = attributions.expand_as(images) / (
        1 if attributions.shape == images.shape else images.shape[1]
    )

    def cover(inputs: Tensor) -> tuple[Tensor, Tensor]:
        covered = _squares(inputs)
        change = torch.where(covered, inputs - empty, torch.zeros_like(inputs))
        return (covered.expand_as(inputs).to(inputs) if multiplied else change), inputs - change

    def measured(values: Tensor, normalize: bool) -> Tensor:
        with captum(seed):
            return metrics.infidelity(
                score,
                cover,
                images,
                values,
                normalize=normalize,
                additional_forward_args=(target.directions,),
                n_perturb_samples=samples,
                max_examples_per_batch=min(
                    max(at_a_time(network), len(images)), samples * len(images)
                ),
            )

    left = measured(attributions, True)
    whole = measured(torch.zeros_like(attributions), False)
    return (
        (left / whole.clamp_min(torch.finfo(whole.dtype).tiny)).clamp(0, 1).double().cpu().numpy()
    )


def _squares(images: Tensor) -> Tensor:
    """One square at a random place on each image, bool (N, 1, H, W)."""
    height, width = images.shape[2:]
    inside = []
    for length in (height, width):
        side = min(_PATCH, length)
        start = torch.randint(0, length - side + 1, (len(images), 1), device=images.device)
        places = torch.arange(length, device=images.device)
        inside.append((places >= start) & (places < start + side))
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]


def sensitivity(
    method: Method,
    network: Network,
    images: Tensor,
    target: Target,
    radius: float,
    samples: int = NOISES,
    seed: int = 0,
) -> np.ndarray:
    """Return how far the map moves at most when the image does not visibly change, (N,), relative
    to its length.

    Captum's max-sensitivity (Yeh et al. 2019, arXiv:1901.09392): the largest of `samples` uniform
    noises of up to `radius` in input units, Euclidean norm; the class stays the same.
    """
    generator = torch.Generator().manual_seed(seed)

    def disturb(inputs: Tensor) -> Tensor:
        noise = torch.rand(inputs.shape, generator=generator).to(inputs)
        return inputs + radius * (2 * noise - 1)

    # Captum passes a tensor or a tuple of one and wants a tuple
    def explain(inputs: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        return (method(network, inputs, target.repeated(len(inputs) // len(images))),)

    largest = metrics.sensitivity_max(
        explain,
        (images,),
        disturb,
        n_perturb_samples=samples,
        max_examples_per_batch=samples * len(images),
    )
    return largest.double().cpu().numpy()


def settled_sensitivity(
    method: Method,
    network: Network,
    images: Tensor,
    target: Target,
    radius: float,
    limit: float,
    seed: int = 0,
) -> np.ndarray:
    """Return `sensitivity` by three noises where they leave no doubt about `limit`, else by all
    ten.

    No doubt: the mean is above the limit, which more noises only raise, or at most half of it
    (``docs/explain.md`` has how much ten noises find beyond three).
    """
    first = sensitivity(method, network, images, target, radius, FIRST_NOISES, seed)
    if limit / 2 < first.mean() <= limit:
        return sensitivity(method, network, images, target, radius, NOISES, seed)
    return first
