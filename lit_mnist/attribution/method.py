"""The base of all attribution methods: one call, checks, batches, and properties of a method."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..inside.lint import ACTIVATION_MODULES
from ..network import (
    ActivityRegularization,
    BatchNorm,
    ChannelRescaling,
    Crop,
    GaussianDropout,
    GaussianNoise,
    KerasFlatten,
    Network,
    Normalization,
    Permute,
    RandomChange,
    Rescaling,
    Reshape,
    SamePool,
)
from ..spec import SpecError
from .baselines import Baseline
from .scores import FastScore, Score
from .targets import (
    AttributionError,
    Target,
    TargetLike,
    at_a_time,
    checked_images,
    resolve,
)

# modules that are affine in evaluation mode, to which every rule that divides a sum applies
AFFINE = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.Linear,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.ZeroPad2d,
    nn.Flatten,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.AlphaDropout,
    nn.Upsample,
    BatchNorm,
    Rescaling,
    ChannelRescaling,
    Normalization,
    Reshape,
    Crop,
    KerasFlatten,
    Permute,
    ActivityRegularization,
    GaussianNoise,
    GaussianDropout,
    RandomChange,
)


@dataclass(frozen=True)
class Method:
    """An attribution method: ``method(network, images, target) -> attributions``.

    Images are the network's standardised input (N, C, H, W). Attributions have the same shape, or
    (N, 1, H, W) for methods that do not separate channels, without gradient. `target` is as in
    `targets.resolve`. Raises AttributionError for a network, an image or a target that does not
    fit.
    """

    name: ClassVar[str]
    promise: ClassVar[float | None] = None  # largest allowed completeness error of a BaselineMethod
    multiplied: ClassVar[bool] = True  # attributions contain the pixel's change, not only a slope
    pixelwise: ClassVar[bool] = True  # a pixel without influence has an attribution of exactly zero

    @property
    def evaluations(self) -> int:
        """Number of passes of one image through the network."""
        return 1

    @property
    def passes(self) -> float:
        """Approximate cost of one image in passes through the network, for the remaining time."""
        return 1.0

    def __call__(
        self, network: Network, images: Tensor, target: TargetLike = "predicted"
    ) -> Tensor:
        images = checked_images(network, images)
        target = resolve(network, images, target)
        self.check(network, target)
        size = max(1, at_a_time(network) // self.evaluations)
        parts = [
            self.attribute(
                network, images[start : start + size], target.part(slice(start, start + size))
            )
            for start in range(0, len(images), size)
        ]
        return torch.cat(parts).detach().contiguous()  # Captum's metrics take views of them

    def rough(self) -> Method:
        """Return a cheaper version for checks that compare many maps; most methods have none."""
        return self

    def check(self, network: Network, target: Target) -> None:
        """Raise AttributionError if the method cannot work on this network."""

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        """Return the attributions of one batch."""
        raise NotImplementedError


@dataclass(frozen=True)
class BaselineMethod(Method):
    """A method that explains the difference from a baseline."""

    baseline: Baseline


def watched(images: Tensor) -> Tensor:
    """Return images for which Captum can take gradients, without changing the caller's tensor."""
    return images.detach().requires_grad_()


def score_of(network: Network, target: Target) -> Score:
    """Return the explained number as a module around the network itself."""
    return Score(network, target).eval()


def fast_score_of(network: Network, target: Target) -> FastScore:
    """Return the explained number for methods that need only its values and gradients, without
    hooks on layers.
    """
    return FastScore(network, target).eval()


@contextmanager
def captum(seed: int | None = None) -> Iterator[None]:
    """Run Captum without its warnings about hooks, and with its own random numbers.

    GradientShap draws from NumPy's global generator, noise tunnels from torch's: both are restored.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(enabled=seed is not None):
        warnings.filterwarnings(
            "ignore", message="Setting (forward, )?backward hooks", category=UserWarning
        )
        if seed is None:
            yield
            return
        state = np.random.get_state()  # noqa: NPY002 - the one that Captum uses
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns) of a module's window or stride, which may be one number for both."""
    if isinstance(size, int):
        return size, size
    rows, columns = size
    return rows, columns


def flat_modules(network: Network, until: str | None = None) -> Iterator[tuple[str, nn.Module]]:
    """Yield the innermost modules that `until` needs, with the name of their layer, in forward
    order.

    `until` None stands for the network's answer.
    """
    for step in network.spec.plan(network.spec.output if until is None else until):
        layer = network.module_of(step.name)
        for module in layer if isinstance(layer, nn.Sequential) else (layer,):
            yield step.name, module


def require_chain(network: Network, method: str, until: str | None = None) -> None:
    """Raise AttributionError, with the layer's name, if layers up to `until` branch or are called
    twice.
    """
    try:
        names = network.spec.chain(until)
    except SpecError as error:
        raise AttributionError(
            f"method {method!r} goes back layer by layer through a chain: {error}; accepted: a "
            "layer before the branches as the target, or a method by gradients"
        ) from error
    shared = [name for name in names if network.spec[name].type == "shared"]
    if shared:
        raise AttributionError(
            f"method {method!r}: layer {shared[0]!r} is a second call of another layer, whose two "
            "calls its rules would mix up; accepted: a method by gradients"
        )


def require_rules(
    network: Network, method: str, ruled: tuple[type[nn.Module], ...], until: str | None = None
) -> None:
    """Raise AttributionError for a module up to layer `until` that is neither affine nor among the
    `ruled`.
    """
    for name, module in flat_modules(network, until):
        affine = isinstance(module, AFFINE) or (
            isinstance(module, SamePool) and module.kind == "average"
        )
        if not affine and not isinstance(module, ruled):
            raise AttributionError(
                f"method {method!r} has no rule for the {type(module).__name__} of layer {name!r}; "
                f"accepted: {', '.join(kind.__name__ for kind in ruled)} and linear layers, or "
                "another method"
            )


def require_relu(network: Network, method: str, until: str | None = None) -> None:
    """Raise AttributionError where activations up to layer `until` are not all ReLUs, as the
    method's rule needs.
    """
    modules = [module for _, module in flat_modules(network, until)]
    others = sorted(
        {
            type(module).__name__
            for module in modules
            if isinstance(module, ACTIVATION_MODULES) and not isinstance(module, nn.ReLU)
        }
    )
    if others or not any(isinstance(module, nn.ReLU) for module in modules):
        raise AttributionError(
            f"method {method!r} is defined for ReLU alone; found here: "
            f"{', '.join(others) or 'no activation'}; accepted: a network of ReLUs"
        )
