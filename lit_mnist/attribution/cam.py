"""Methods that read a named layer: Grad-CAM, guided Grad-CAM, layer conductance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from captum import attr
from torch import Tensor

from ..errors import SUMMARY, listed
from ..network import Network
from ..spec import CONVOLUTIONS, LayerInfo
from .gradients import ROUGH_STEPS
from .method import BaselineMethod, Method, captum, require_relu, score_of, watched
from .placement import place
from .rectified import GuidedBackprop
from .targets import AttributionError, Target, at_a_time


def last_maps(network: Network, target: Target) -> str:
    """Return the last layer before the target with maps of several positions, preferably a
    convolution.

    Raises AttributionError if there is none: a map with one position is constant over the image.
    """
    before = [network.spec[name] for name in _before(network, target)]
    maps = [info.name for info in before if has_positions(info)]
    convolutions = [name for name in maps if network.spec[name].type in CONVOLUTIONS]
    if not maps:
        raise AttributionError(
            f"no layer before {target.names[0]!r} has maps of more than one position in this "
            "network; accepted: methods that need no layer"
        )
    return (convolutions or maps)[-1]


def has_positions(info: LayerInfo) -> bool:
    """Return whether a layer has maps with more than one position."""
    return info.maps is not None and math.prod(info.output_shape[:2]) > 1


def _before(network: Network, target: Target) -> list[str]:
    """Return the layers that the target depends on, in order: the answer's layer too, but not a
    target layer.
    """
    end = network.spec.output if target.layer is None else target.layer
    return [step.name for step in network.spec.plan(end) if step.name != target.layer]


def _require_maps(network: Network, target: Target, layer: str, method: str) -> None:
    """Raise AttributionError if `layer` has no maps, or no gradient of the target."""
    info = network.spec[layer]
    before = _before(network, target)
    maps = [name for name in before if has_positions(network.spec[name])]
    if layer not in before:
        raise AttributionError(
            f"method {method!r}: layer {layer!r} has no gradient of {target.names[0]!r}, which "
            f"does not depend on it; accepted: {listed(maps, SUMMARY) or 'no layer'}"
        )
    if info.maps is None:
        raise AttributionError(
            f"method {method!r}: layer {layer!r} gives a vector {info.output_shape}, no maps; "
            f"accepted: {listed(maps, SUMMARY) or 'no layer of this network'}"
        )
    if not has_positions(info):
        raise AttributionError(
            f"method {method!r}: layer {layer!r} has one position, so its map would be the same "
            f"everywhere; accepted: {listed(maps, SUMMARY) or 'no layer of this network'}"
        )


@dataclass(frozen=True)
class GradCam(Method):
    """Maps of a layer weighted by their mean gradient, positive part (Selvaraju et al. 2016,
    arXiv:1610.02391).

    `layer` None stands for the last convolution with more than one position. Maps are placed by the
    receptive fields of their units.
    """

    layer: str | None = None
    name: ClassVar[str] = "grad_cam"
    pixelwise: ClassVar[bool] = False

    def check(self, network: Network, target: Target) -> None:
        _require_maps(network, target, self.layer or last_maps(network, target), self.name)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        layer = self.layer or last_maps(network, target)
        maps = attr.LayerGradCam(score_of(network, target), network.get_submodule(layer)).attribute(
            watched(images), additional_forward_args=(target.directions,), relu_attributions=True
        )
        return place(cast(Tensor, maps), network.spec[layer], images.shape[2:])


@dataclass(frozen=True)
class GuidedGradCam(Method):
    """Guided backpropagation times Grad-CAM (Selvaraju et al. 2016, arXiv:1610.02391)."""

    layer: str | None = None
    name: ClassVar[str] = "guided_grad_cam"
    multiplied: ClassVar[bool] = False

    def check(self, network: Network, target: Target) -> None:
        require_relu(network, self.name, target.layer)
        GradCam(self.layer).check(network, target)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        return (
            GuidedBackprop().attribute(network, images, target).detach()
            * GradCam(self.layer).attribute(network, images, target).detach()
        )


@dataclass(frozen=True)
class Conductance(BaselineMethod):
    """Flow through the units of a layer on the path from a baseline (Dhamdhere et al. 2018,
    arXiv:1805.12233).

    As a Method, it is summed over maps and placed on the pixels, which keeps the sum. `units`
    returns it in the layer's shape.
    """

    layer: str | None = None
    steps: int = 100
    name: ClassVar[str] = "conductance"
    promise: ClassVar[float] = 0.02
    pixelwise: ClassVar[bool] = False

    @property
    def passes(self) -> float:
        return 0.5 * self.steps

    @property
    def evaluations(self) -> int:
        return 4 * self.steps  # small batches, so that activations stay in the caches

    def rough(self) -> Conductance:
        """Return the method with at most 20 nodes."""
        return replace(self, steps=min(ROUGH_STEPS, self.steps))

    def check(self, network: Network, target: Target) -> None:
        _require_maps(network, target, self.layer or last_maps(network, target), self.name)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        layer = self.layer or last_maps(network, target)
        maps = self.units(network, images, target, layer).sum(1, keepdim=True)
        return place(maps, network.spec[layer], images.shape[2:], keep_sum=True)

    def units(self, network: Network, images: Tensor, target: Target, layer: str) -> Tensor:
        """Return the conductance of every unit of `layer` (any layer before the target), in the
        layer's shape.
        """
        method = attr.LayerConductance(score_of(network, target), network.get_submodule(layer))
        fits = len(images) * self.steps <= at_a_time(network)
        batch = None if fits else max(at_a_time(network), 2 * len(images))

        def conductance(start: Tensor) -> Tensor:
            units = method.attribute(
                watched(images),
                start,
                additional_forward_args=(target.directions,),
                n_steps=self.steps,
                method="gausslegendre",
                internal_batch_size=batch,
            )
            return torch.as_tensor(units).detach()

        with captum():
            return self.baseline.mean(images, conductance)
