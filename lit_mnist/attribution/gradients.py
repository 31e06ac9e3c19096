"""Methods by gradients: saliency, input x gradient, integrated gradients, SmoothGrad,
GradientShap.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar, cast

import torch
from captum import attr
from torch import Tensor

from ..inside.kept import arrays_hash
from ..network import Network
from .method import BaselineMethod, Method, captum, fast_score_of, watched
from .scores import FastScore, RepeatedScore
from .targets import Target, at_a_time

ROUGH_STEPS = 20  # nodes of methods that integrate, where many maps are only compared
_PIECES = (2, 4, 8, 16, 32, 64)
MOST_WORK = 1e12  # multiply-accumulates that one image's second tries may take, a minute or two


@dataclass(frozen=True)
class Saliency(Method):
    """Magnitude of the gradient (Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034)."""

    name: ClassVar[str] = "saliency"
    multiplied: ClassVar[bool] = False

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        method = attr.Saliency(fast_score_of(network, target))
        return method.attribute(watched(images), additional_forward_args=(target.directions,))


@dataclass(frozen=True)
class InputXGradient(Method):
    """Standardised pixel times gradient (Shrikumar et al. 2016, arXiv:1605.01713)."""

    name: ClassVar[str] = "input_x_gradient"

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        method = attr.InputXGradient(fast_score_of(network, target))
        return method.attribute(watched(images), additional_forward_args=(target.directions,))


@dataclass(frozen=True)
class IntegratedGradients(BaselineMethod):
    """Mean gradient on the path from a baseline, times the path (Sundararajan, Taly & Yan 2017,
    arXiv:1703.01365).

    Gauss-Legendre quadrature with `steps` nodes; the result is the mean over several baselines. The
    gradient of a ReLU network jumps on the path, so the completeness error of a few images in a
    thousand is large: where it exceeds `tolerance`, the path is cut into 2, then 4, up to 64 pieces
    (fewer for large networks) with as many nodes each.
    """

    steps: int = 200
    tolerance: float | None = 0.005
    name: ClassVar[str] = "integrated_gradients"
    promise: ClassVar[float] = 0.005

    @property
    def passes(self) -> float:
        return 0.5 * self.steps

    @property
    def evaluations(self) -> int:
        # of 100 images at a time: Captum runs through their nodes by itself, and computes the nodes
        # each time
        return 10

    def rough(self) -> IntegratedGradients:
        """Return the method with at most 20 nodes and no second try."""
        return replace(self, steps=min(ROUGH_STEPS, self.steps), tolerance=None)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        return self.baseline.mean(images, lambda start: self._from(start, network, images, target))

    def _from(self, start: Tensor, network: Network, images: Tensor, target: Target) -> Tensor:
        score = fast_score_of(network, target)
        size = max(at_a_time(network), len(images))
        integral = self._integral(score, images, start, target.directions, size)
        if self.tolerance is None:
            return integral
        for pieces in self._pieces(network):
            errors = _errors(score, images, start, target.directions, integral)
            incomplete = errors > self.tolerance
            if not incomplete.any():
                break
            integral[incomplete] = self._in_pieces(
                score,
                images[incomplete],
                start[incomplete],
                target.directions[incomplete],
                pieces,
                size,
            )
        return integral

    def _pieces(self, network: Network) -> list[int]:
        """Return the numbers of pieces that are tried, as many as the work allows."""
        work = self.steps * network.spec.macs
        return [pieces for pieces in _PIECES if (2 * pieces - 2) * work <= MOST_WORK]

    def _in_pieces(
        self,
        score: FastScore,
        images: Tensor,
        start: Tensor,
        directions: Tensor,
        pieces: int,
        size: int,
    ) -> Tensor:
        """Add up the integrals over equal pieces of the path; nodes of a single long rule would
        take long to compute.
        """
        marks = [torch.lerp(start, images, piece / pieces) for piece in range(pieces + 1)]
        integrals = (
            self._integral(score, end, begin, directions, size) for begin, end in pairwise(marks)
        )
        return cast(Tensor, sum(integrals))

    def _integral(
        self, score: FastScore, images: Tensor, start: Tensor, directions: Tensor, size: int
    ) -> Tensor:
        integral = attr.IntegratedGradients(score).attribute(
            watched(images),
            start,
            additional_forward_args=(directions,),
            n_steps=self.steps,
            method="gausslegendre",
            internal_batch_size=size,
        )
        return integral.detach()


def _errors(
    score: FastScore, images: Tensor, start: Tensor, directions: Tensor, integral: Tensor
) -> Tensor:
    """Return each image's completeness error, relative to the change of its score, (N,)."""
    with torch.no_grad():
        change = score(images, directions) - score(start, directions)
    return (integral.sum((1, 2, 3)) - change).abs() / change.abs().clamp_min(
        torch.finfo(change.dtype).tiny
    )


class SmoothGradMemory:
    """Maps of SmoothGrad and of its squared form, which need the same gradients: both are computed
    when one is asked for, and the other is kept until it is asked for.

    Maps that are never asked for stay until the methods that share this memory are dropped.
    """

    def __init__(self) -> None:
        self.maps: dict[tuple[Hashable, ...], tuple[Network, Tensor]] = {}

    def pop(self, squared: bool, network: Network, images: Tensor, target: Target) -> Tensor | None:
        """Return the maps, if they are kept, and forget them."""
        _, maps = self.maps.pop(_key(squared, network, images, target), (None, None))
        return maps

    def keep(
        self, squared: bool, network: Network, images: Tensor, target: Target, maps: Tensor
    ) -> None:
        """Keep maps, and the network, so that no other gets its id."""
        self.maps[_key(squared, network, images, target)] = (network, maps)


def _key(squared: bool, network: Network, images: Tensor, target: Target) -> tuple[Hashable, ...]:
    state = [*network.parameters(), *network.buffers()]
    return (
        squared,
        id(network),
        tuple((tensor.data_ptr(), tensor._version) for tensor in state),
        target.layer,
        target.position,
        arrays_hash(images.detach().cpu().numpy(), target.directions.cpu().numpy()),
    )


@dataclass(frozen=True)
class SmoothGrad(Method):
    """Mean gradient magnitude of noisy copies (Smilkov et al. 2017, arXiv:1706.03825).

    `noise` is a standard deviation in the network's input units. `squared` averages the square of
    the gradient instead (Hooker et al. 2019, arXiv:1806.10758). Two methods that differ in nothing
    else may share a `memory`.
    """

    noise: float
    samples: int = 50
    squared: bool = False
    seed: int = 0
    memory: SmoothGradMemory | None = field(default=None, compare=False, repr=False)
    multiplied: ClassVar[bool] = False

    @property
    def passes(self) -> float:
        return 2.0 * self.samples

    @property
    def name(self) -> str:  # type: ignore[override]
        return "smoothgrad_squared" if self.squared else "smoothgrad"

    @property
    def evaluations(self) -> int:
        return self.samples

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        if self.memory is None:
            return self._mean(fast_score_of(network, target), images, target, self.squared)
        known = self.memory.pop(self.squared, network, images, target)
        if known is not None:
            return known
        score = RepeatedScore(network, target).eval()
        maps = self._mean(score, images, target, self.squared)
        score.rewind()
        others = self._mean(score, images, target, not self.squared)
        self.memory.keep(not self.squared, network, images, target, others.detach())
        return maps

    def _mean(self, score: FastScore, images: Tensor, target: Target, squared: bool) -> Tensor:
        method = attr.NoiseTunnel(attr.Saliency(score))
        with captum(self.seed):
            attributions = method.attribute(
                watched(images),
                nt_type="smoothgrad_sq" if squared else "smoothgrad",
                nt_samples=self.samples,
                nt_samples_batch_size=max(1, at_a_time(score.score.network) // len(images)),
                stdevs=self.noise,
                abs=True,
                additional_forward_args=(target.directions,),
            )
        return cast(Tensor, attributions)


@dataclass(frozen=True)
class GradientShap(BaselineMethod):
    """Gradients at random points between image and random baselines (Lundberg & Lee 2017,
    arXiv:1705.07874).

    The estimate is complete only in expectation, so completeness is not promised. Needs baselines
    that are the same for all images.
    """

    samples: int = 50
    seed: int = 0
    name: ClassVar[str] = "gradient_shap"

    @property
    def passes(self) -> float:
        return 2.0 * self.samples

    @property
    def evaluations(self) -> int:
        return self.samples

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        method = attr.GradientShap(fast_score_of(network, target))
        with captum(self.seed):
            attributions = method.attribute(
                watched(images),
                self.baseline.shared(images),
                n_samples=self.samples,
                stdevs=0.0,
                additional_forward_args=(target.directions,),
            )
        return cast(Tensor, attributions)
