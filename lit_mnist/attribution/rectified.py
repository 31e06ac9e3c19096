"""Methods that change the gradient of a ReLU: guided backpropagation and deconvolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from ..network import Network
from .method import Method, captum, require_relu, score_of, watched
from .targets import Target


@dataclass(frozen=True)
class GuidedBackprop(Method):
    """Gradient passed back where it and the activation are positive (Springenberg et al. 2014,
    arXiv:1412.6806).
    """

    name: ClassVar[str] = "guided_backprop"
    multiplied: ClassVar[bool] = False

    def check(self, network: Network, target: Target) -> None:
        require_relu(network, self.name, target.layer)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        with captum():
            return attr.GuidedBackprop(score_of(network, target)).attribute(
                watched(images), additional_forward_args=(target.directions,)
            )


@dataclass(frozen=True)
class Deconvolution(Method):
    """Gradient passed back only where it is positive (Zeiler & Fergus 2013, arXiv:1311.2901).

    Equal to the explicit pass through unpooling switches of `zeiler.project`.
    """

    name: ClassVar[str] = "deconvolution"
    multiplied: ClassVar[bool] = False

    def check(self, network: Network, target: Target) -> None:
        require_relu(network, self.name, target.layer)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        with captum():
            return attr.Deconvolution(score_of(network, target)).attribute(
                watched(images), additional_forward_args=(target.directions,)
            )
