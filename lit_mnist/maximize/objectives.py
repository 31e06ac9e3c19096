"""Objectives of an ascent as values that add up: ``ChannelMean("Conv2D_3") - 0.1 *
TotalVariation()``.

An objective gives each row of a batch a score. The map, unit or class is the *target* of the row,
so that one objective serves a whole layer in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..inside.passes import by_map
from .checks import MaximizeError, need_number


@dataclass(frozen=True)
class View:
    """Input of objectives: images (N, C, H, W), activations by name, target and group of each row
    (N,).

    If activations hold only the row's own map (`Objective.picks`), that is column 0.
    """

    images: Tensor
    activations: Mapping[str, Tensor]
    targets: Tensor
    groups: Tensor


class Objective:
    """A score for each row; objectives can be added, subtracted and scaled."""

    regularises = False  # about the image alone, whatever the network says
    couples = False  # rows of one group depend on each other
    picks = False  # of the layer that it reads, nothing but the row's own map or unit

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the activations that the objective reads."""
        return ()

    def score(self, view: View) -> Tensor:
        """Return the scores (N,)."""
        raise NotImplementedError

    def __add__(self, other: Objective) -> Weighted:
        return Weighted((*terms(self), *terms(other)))

    def __mul__(self, weight: float) -> Weighted:
        return Weighted(tuple((weight * w, term) for w, term in terms(self)))

    __rmul__ = __mul__

    def __neg__(self) -> Weighted:
        return self * -1.0

    def __sub__(self, other: Objective) -> Weighted:
        return self + -other


def terms(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    """Return the weights and terms that an objective sums, for most itself alone."""
    return objective.terms if isinstance(objective, Weighted) else ((1.0, objective),)


@dataclass(frozen=True)
class Weighted(Objective):
    """A sum of weighted objectives."""

    terms: tuple[tuple[float, Objective], ...]

    def __post_init__(self) -> None:
        for weight, _ in self.terms:
            need_number("objective: weight", weight, least=-np.inf)

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.layers))

    @property
    def regularises(self) -> bool:
        return all(term.regularises for _, term in self.terms)

    @property
    def couples(self) -> bool:
        return any(term.couples for _, term in self.terms)

    @property
    def picks(self) -> bool:
        return len(self.layers) == 1 and all(
            term.picks or term.regularises for _, term in self.terms
        )

    def score(self, view: View) -> Tensor:
        return cast(Tensor, sum(weight * term.score(view) for weight, term in self.terms))


def drive(objective: Objective) -> Weighted:
    """Return the objective without its regularisers: the part that must not be zero for a start to
    be active.
    """
    driving = tuple((weight, term) for weight, term in terms(objective) if not term.regularises)
    if not driving:
        raise MaximizeError(
            "the objective has only regularisers; accepted: at least one term that reads the "
            "network"
        )
    return Weighted(driving)


def coupling(objective: Objective) -> tuple[Objective, Weighted | None]:
    """Return the part whose rows are independent of each other, and the part that couples rows
    and reads only the images, None where there is none.

    What couples rows by their activations stays in the first part.
    """
    apart = [(w, term) for w, term in terms(objective) if term.couples and not term.layers]
    rest = [pair for pair in terms(objective) if pair not in apart]
    if not apart or not rest:
        return objective, None
    return Weighted(tuple(rest)), Weighted(tuple(apart))


def _pick(values: Tensor, targets: Tensor) -> Tensor:
    """Return column `targets[i]` of each row i: (N, T) -> (N,)."""
    return values.gather(1, targets[:, None])[:, 0]


@dataclass(frozen=True)
class ChannelMean(Objective):
    """Mean activation of a map, or activation of a unit: that of the row's target, or of `map` for
    all rows.
    """

    layer: str
    map: int | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    @property
    def picks(self) -> bool:
        return self.map is None

    def score(self, view: View) -> Tensor:
        means = by_map(view.activations[self.layer]).mean(2)
        return _pick(means, view.targets) if self.map is None else means[:, self.map]


def difference(layer: str, other: int, weight: float = 1.0) -> Weighted:
    """Return the mean of the row's map minus `weight` times that of map `other`: what distinguishes
    the two.
    """
    return ChannelMean(layer) - weight * ChannelMean(layer, other)


@dataclass(frozen=True)
class Neuron(Objective):
    """Activation of one unit: of a map at `position` (row, column; None: the middle), or of a
    vector.

    A class is a unit of the network's last layer: its logit.
    """

    layer: str
    position: tuple[int, int] | None = None
    picks = True

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def score(self, view: View) -> Tensor:
        values = view.activations[self.layer]
        if values.dim() == 4:
            row, column = self.position or (values.shape[2] // 2, values.shape[3] // 2)
            values = values[:, :, row, column]
        return _pick(values, view.targets)


@dataclass(frozen=True)
class LayerEnergy(Objective):
    """Mean square of a whole layer, which amplifies whatever the layer responds to."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def score(self, view: View) -> Tensor:
        return view.activations[self.layer].square().flatten(1).mean(1)


@dataclass(frozen=True, eq=False)
class Direction(Objective):
    """Mean over positions of the activations' component along `vectors` (T, C), one for each
    target.
    """

    layer: str
    vectors: np.ndarray

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def score(self, view: View) -> Tensor:
        values = by_map(view.activations[self.layer]).mean(2)
        vectors = torch.as_tensor(self.vectors, dtype=values.dtype, device=values.device)
        return (values * (vectors / vectors.norm(dim=1, keepdim=True))[view.targets]).sum(1)


@dataclass(frozen=True)
class L2(Objective):
    """Mean square of the image; to be subtracted."""

    regularises = True

    def score(self, view: View) -> Tensor:
        return view.images.square().mean((1, 2, 3))


@dataclass(frozen=True)
class TotalVariation(Objective):
    """Mean length of the image's gradient (isotropic, forward differences); to be subtracted."""

    regularises = True

    def score(self, view: View) -> Tensor:
        return total_variation(view.images)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean length (N,) of the gradient of images (N, C, H, W): isotropic, forward
    differences.
    """
    down = images[:, :, 1:, :-1] - images[:, :, :-1, :-1]
    right = images[:, :, :-1, 1:] - images[:, :, :-1, :-1]
    smooth = torch.finfo(images.dtype).eps  # keeps the root's derivative finite where it is flat
    return (down.square() + right.square() + smooth).sqrt().mean((1, 2, 3))


@dataclass(frozen=True)
class Diversity(Objective):
    """Mean squared cosine between an image and the others of its group (the restarts of a map)."""

    regularises = True
    couples = True

    def score(self, view: View) -> Tensor:
        flat = view.images.flatten(1)
        flat = flat - flat.mean(1, keepdim=True)
        unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
        others = (view.groups[:, None] == view.groups[None]).to(flat.dtype).fill_diagonal_(0)
        return ((unit @ unit.T).square() * others).sum(1) / others.sum(1).clamp_min(1)


@dataclass(frozen=True)
class Peak(Objective):
    """Highest activation of the row's map, which rises where the mean over positions does not."""

    layer: str
    picks = True

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def score(self, view: View) -> Tensor:
        return _pick(by_map(view.activations[self.layer]).amax(2), view.targets)
