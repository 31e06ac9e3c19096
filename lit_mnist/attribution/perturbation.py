"""Methods that cover pixels and watch the score: occlusion by windows, ablation of single
pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from torch import Tensor

from ..network import Network
from .method import BaselineMethod, fast_score_of
from .placement import reach
from .targets import AttributionError, Target, at_a_time

_ON_CPU = 50  # images in a batch on a CPU: more are no faster, and the last batch is filled up


def copies_at_a_time(network: Network, device: torch.device) -> int:
    """Return how many changed copies go through a network on `device` at a time: 250, on a CPU 50,
    or as many as fit into an eighth of a GiB.
    """
    fitting = max(1, at_a_time(network) // 4)
    return min(_ON_CPU, fitting) if device.type == "cpu" else fitting


class _Even:
    """A score of changed copies of `images`, evaluated in batches of one size, the last filled up.

    Matrix products round differently for different batch sizes: a pixel without any influence would
    otherwise get 1e-6 instead of zero. Copies that were not changed where it can matter keep their
    image's outputs: four fifths of a digit are empty.
    """

    def __init__(self, network: Network, target: Target, images: Tensor) -> None:
        self.score = fast_score_of(network, target)
        self.images = images
        self.size = copies_at_a_time(network, images.device)
        self.reach = torch.from_numpy(reach(network.spec, target.layer)).to(images.device)
        self.original = self._outputs(images)

    @torch.no_grad()
    def __call__(self, images: Tensor, directions: Tensor) -> Tensor:
        copies = len(images) // len(self.images)  # Captum gives all images once for every change
        changes = (images.unflatten(0, (copies, -1)) != self.images) & self.reach
        changed = changes.flatten(2).any(2).flatten()
        outputs = self.original.repeat(copies, 1)
        if changed.any():
            outputs[changed] = self._outputs(images[changed])
        return (outputs * directions).sum(1)

    @torch.no_grad()
    def _outputs(self, images: Tensor) -> Tensor:
        missing = -len(images) % self.size
        filled = torch.cat([images, images[:1].expand(missing, *images.shape[1:])])
        return torch.cat([self.score.outputs(part) for part in filled.split(self.size)])[
            : len(images)
        ]


@dataclass(frozen=True)
class Occlusion(BaselineMethod):
    """Loss of score under a window of baseline, averaged over the windows on a pixel (Zeiler &
    Fergus 2013).
    """

    window: int = 4
    stride: int = 2
    name: ClassVar[str] = "occlusion"
    pixelwise: ClassVar[bool] = False

    @property
    def passes(self) -> float:
        return 100.0

    def check(self, network: Network, target: Target) -> None:
        if not 1 <= self.stride <= self.window <= min(network.spec.input_shape[:2]):
            raise AttributionError(
                f"method {self.name!r}: window {self.window} with stride {self.stride}; accepted: "
                f"1 <= stride <= window <= {min(network.spec.input_shape[:2])}"
            )

    @property
    def evaluations(self) -> int:
        return 10  # images at a time: their windows are tried in turn, a few at a time

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        method = attr.Occlusion(_Even(network, target, images))
        window, stride = ((images.shape[1], side, side) for side in (self.window, self.stride))
        return self.baseline.mean(
            images,
            lambda start: method.attribute(
                images,
                window,
                stride,
                start,
                additional_forward_args=(target.directions,),
                perturbations_per_eval=_tries(network, images),
            ).to(images),  # Captum gives float32 for all
        )


@dataclass(frozen=True)
class FeatureAblation(BaselineMethod):
    """Loss of score where one pixel takes the baseline's value; `block` x `block` pixels at a
    time for 2 and more.
    """

    block: int = 1
    name: ClassVar[str] = "feature_ablation"

    @property
    def passes(self) -> float:
        return 300.0

    def check(self, network: Network, target: Target) -> None:
        if not 1 <= self.block <= min(network.spec.input_shape[:2]):
            raise AttributionError(
                f"method {self.name!r}: block of {self.block}; accepted: 1 to "
                f"{min(network.spec.input_shape[:2])}"
            )

    @property
    def evaluations(self) -> int:
        return 10

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        method = attr.FeatureAblation(_Even(network, target, images))
        return self.baseline.mean(
            images,
            lambda start: method.attribute(
                images,
                start,
                additional_forward_args=(target.directions,),
                feature_mask=self._features(images, start),
                perturbations_per_eval=_tries(network, images),
            ).to(images),
        )

    def _features(self, images: Tensor, start: Tensor) -> Tensor:
        """Number of the feature that each pixel belongs to; all channels of a pixel go together.

        Single pixels are numbered image by image, and those that equal the baseline share number 0:
        replacing them changes nothing, and four fifths of a digit are empty.
        """
        if self.block == 1:
            changed = (images != start).any(1, keepdim=True).flatten(1)
            return (
                (changed.cumsum(1) * changed)
                .view(len(images), 1, *images.shape[2:])
                .expand_as(images)
            )
        height, width = images.shape[2:]
        rows = torch.arange(height, device=images.device)[:, None] // self.block
        columns = torch.arange(width, device=images.device)[None] // self.block
        return (rows * math.ceil(width / self.block) + columns).expand(
            1, images.shape[1], height, width
        )


def _tries(network: Network, images: Tensor) -> int:
    return max(1, at_a_time(network) // len(images))
