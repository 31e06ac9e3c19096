"""Targets of an explanation: a class, the difference of two classes, or a map of a layer, for each
image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UserError, nearest
from ..inside.lint import require_capturable
from ..inside.passes import batch_size
from ..network import Network

_MAP = re.compile(r"(?P<layer>\w+)/(?P<map>\d+)(@(?P<row>\d+),(?P<column>\d+))?\Z")
EVALUATIONS = 1000  # images that go through a small network at a time
_SIDES = ("predicted", "true", "second")
GRAMMAR = (
    "predicted, true, second (the runner-up), a class number, a difference of two such as 4-9 or "
    "predicted-true, or a layer's map such as Conv2D_2/17 (its mean) or Conv2D_2/17@3,4 (one "
    "position)"
)


class AttributionError(UserError):
    """A network, image, target or method with which attribution cannot work."""


@dataclass(frozen=True)
class Target:
    """The explained number of each image: ``(outputs * directions).sum(1)``.

    `directions` is (N, outputs): one-hot for a class, plus and minus one for a difference. Outputs
    are the logits or, with `layer`, units of that layer: maps averaged over positions, or read at
    `position` (row, column). `first` (N,) is the explained class (the positive one of a
    difference), None for maps.
    """

    directions: Tensor
    names: tuple[str, ...]
    first: Tensor | None = None
    second: Tensor | None = None
    layer: str | None = None
    position: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def _mapped(self, tensors: Callable[[Tensor], Tensor], names: Iterable[str]) -> Target:
        first, second = (
            None if side is None else tensors(side) for side in (self.first, self.second)
        )
        return replace(
            self,
            directions=tensors(self.directions),
            names=tuple(names),
            first=first,
            second=second,
        )

    def part(self, images: slice) -> Target:
        """Return the target of a slice of the images."""
        return self._mapped(lambda side: side[images], self.names[images])

    def repeated(self, times: int) -> Target:
        """Return the target of images that are repeated `times` times each."""
        return self._mapped(
            lambda side: side.repeat_interleave(times, 0),
            (name for name in self.names for _ in range(times)),
        )


TargetLike = Target | str | int | Tensor | np.ndarray | Sequence[int]


def units(activations: Tensor, position: tuple[int, int] | None) -> Tensor:
    """Return (N, units) of a layer's output: vectors unchanged, maps by their mean or at one
    position.
    """
    if activations.dim() == 2:
        return activations
    return (
        activations.mean((2, 3))
        if position is None
        else activations[:, :, position[0], position[1]]
    )


def checked_images(network: Network, images: Tensor) -> Tensor:
    """Return `images` on the network's device and in its type; raise AttributionError if they do
    not fit.
    """
    height, width, channels = network.spec.input_shape
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1:] != (channels, height, width) or shape[0] == 0:
        raise AttributionError(
            f"images of shape {shape} cannot be explained; this network takes "
            f"(N, {channels}, {height}, {width}) with N above 0"
        )
    if network.training:
        raise AttributionError(
            "the network is in training mode, where dropout makes attributions random; "
            "accepted: network.eval()"
        )
    if not torch.isfinite(images).all():
        raise AttributionError("images hold NaN or infinite values; accepted: finite values")
    require_capturable(network)
    like = next(network.parameters(), torch.zeros(()))
    return images.detach().to(like.device, like.dtype)


def resolve(
    network: Network, images: Tensor, target: TargetLike, labels: Tensor | np.ndarray | None = None
) -> Target:
    """Return the Target for a class, one class for each image, or a string of the grammar.

    Strings follow `GRAMMAR`; ``true`` needs `labels` (N,). Raises AttributionError.
    """
    if isinstance(target, Target):
        if len(target) != len(images):
            raise AttributionError(f"target: has {len(target)} classes for {len(images)} images")
        return target
    if not isinstance(target, str):
        classes = (
            torch.as_tensor(target, device=images.device).expand(len(images))
            if isinstance(target, int)
            else torch.as_tensor(target, device=images.device)
        )
        return _of_classes(network, images, _known(network, classes, images), None)
    if "/" in target:
        return _of_map(network, images, target)
    first, *rest = (_side(network, images, side, labels, target) for side in target.split("-", 1))
    return _of_classes(network, images, first, rest[0] if rest else None, target)


def _known(network: Network, classes: Tensor, images: Tensor) -> Tensor:
    if classes.shape != (len(images),) or classes.is_floating_point():
        raise AttributionError(
            f"target of shape {tuple(classes.shape)} and type {classes.dtype}; accepted: one class "
            f"number, or one for each of {len(images)} images"
        )
    outside = [int(value) for value in classes.unique() if not 0 <= value < network.spec.classes]
    if outside:
        raise AttributionError(
            f"target: no class {outside[0]}; accepted: 0 to {network.spec.classes - 1}"
        )
    return classes.long()


def _side(
    network: Network, images: Tensor, side: str, labels: Tensor | np.ndarray | None, target: str
) -> Tensor:
    side = side.strip()
    if side.isdecimal():
        return _known(network, torch.full((len(images),), int(side), device=images.device), images)
    if side == "true":
        known = torch.as_tensor(-1 if labels is None else labels, device=images.device)
        if known.min() < 0:
            raise AttributionError(
                f"target {target!r}: the true class of an image is unknown; accepted for images "
                "without a label: predicted, second, a class number, a difference of two"
            )
        return _known(network, known, images)
    if side in ("predicted", "second"):
        order = network.probabilities(network_logits(network, images)).topk(2).indices
        return order[:, _SIDES.index(side) // 2]
    raise AttributionError(
        f"target {target!r}: unknown; {nearest(side, _SIDES)}; in full: {GRAMMAR}"
    )


def at_a_time(network: Network) -> int:
    """Return how many images go through a network at a time: 1000, or as many as fit into half a
    GiB.
    """
    return batch_size(network.spec, EVALUATIONS)


def network_logits(network: Network, images: Tensor) -> Tensor:
    """Return the logits (N, units), without gradient, as many images at a time as fit the
    memory.
    """
    with torch.no_grad():
        return torch.cat([network(part) for part in images.split(at_a_time(network))])


def _of_classes(
    network: Network, images: Tensor, first: Tensor, second: Tensor | None, target: object = None
) -> Target:
    one_hot = _directions(network, first).to(images.dtype)
    if second is None:
        return Target(one_hot, tuple(map(str, first.tolist())), first)
    same = (first == second).nonzero().flatten().tolist()
    if same:
        raise AttributionError(
            f"target {target!r}: compares class {int(first[same[0]])} with itself at image number "
            f"{same[0]}; accepted: two classes, for instance predicted-second"
        )
    names = tuple(f"{a}-{b}" for a, b in zip(first.tolist(), second.tolist(), strict=True))
    if network.spec.units == 1:  # a single logit is already the difference of the two classes
        return Target(one_hot, names, first, second)
    return Target(one_hot - _directions(network, second), names, first, second)


def _directions(network: Network, classes: Tensor) -> Tensor:
    """Return (N, units): one-hot, or +-1 where a single logit stands for class 1 of two."""
    return (
        2 * classes[:, None] - 1
        if network.spec.units == 1
        else F.one_hot(classes, network.spec.classes)
    )


def _of_map(network: Network, images: Tensor, target: str) -> Target:
    match = _MAP.match(target)
    if not match:
        raise AttributionError(f"target {target!r}: unknown; accepted: {GRAMMAR}")
    info = network.spec[match["layer"]]
    count = info.output_shape[-1]
    number = int(match["map"])
    if number >= count:
        raise AttributionError(
            f"target {target!r}: no such map; accepted for {info.name}: 0 to {count - 1}"
        )
    position = None if match["row"] is None else (int(match["row"]), int(match["column"]))
    if position and not (
        len(info.output_shape) == 3
        and position[0] < info.output_shape[0]
        and position[1] < info.output_shape[1]
    ):
        raise AttributionError(
            f"target {target!r}: no such position; {info.name} gives {info.output_shape}"
        )
    directions = images.new_zeros(len(images), count)
    directions[:, number] = 1
    return Target(directions, (target,) * len(images), layer=info.name, position=position)
