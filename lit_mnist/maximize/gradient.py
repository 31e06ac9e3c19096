"""Scores of rows and their gradients, by Captum's NeuronGradient with a checked selector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from captum.attr import NeuronGradient
from torch import Tensor

from ..network import Network
from .checks import MaximizeError
from .objectives import Objective, View, coupling, drive, terms
from .rows import most_rows
from .subnetwork import Subnetwork
from .transformations import Transformation


@dataclass(frozen=True)
class Scores:
    """The result of one step: objective (N,), its terms that read the network (N,), gradient (N, C,
    H, W).
    """

    objective: Tensor
    drive: Tensor
    gradient: Tensor


class RowGradient:
    """Scores and gradients of all rows in one forward and one backward pass, of large networks in
    as many as fit the memory.

    Captum hooks `Subnetwork.outputs`, calls the objective as its neuron selector and differentiates
    the sum of the scores. That sum has the gradient of every row only if no score depends on
    another row, which `check` tests.
    """

    def __init__(
        self, network: Network, objective: Objective, transformations: Sequence[Transformation] = ()
    ) -> None:
        self.subnetwork = Subnetwork(
            network, objective.layers, transformations, own=objective.picks
        )
        self.objective = objective
        self.own, self.coupled = coupling(objective)
        self.rows = most_rows(network.spec)
        self.drive = drive(objective)
        self.regularised = self.drive.terms != terms(objective)
        self.method = NeuronGradient(self.subnetwork, self.subnetwork.outputs)

    def __call__(
        self,
        images: Tensor,
        targets: Tensor,
        groups: Tensor,
        draws: Sequence[Tensor] = (),
        weights: Tensor | None = None,
    ) -> Scores:
        """Return the scores of `images`; `weights` (N,) multiply them before differentiation."""
        if len(images) <= self.rows or self.own.couples:
            return self._scores(self.objective, images, targets, groups, draws, weights)
        parts = [
            self._scores(
                self.own,
                images[part],
                targets[part],
                groups[part],
                [numbers[part] for numbers in draws],
                None if weights is None else weights[part],
            )
            for part in torch.arange(len(images), device=images.device).split(self.rows)
        ]
        scores = _joined(parts)
        if self.coupled is None:
            return scores
        values, gradient = _of_images(self.coupled, images, targets, groups, weights)
        return Scores(scores.objective + values, scores.drive, scores.gradient + gradient)

    def _scores(
        self,
        objective: Objective,
        images: Tensor,
        targets: Tensor,
        groups: Tensor,
        draws: Sequence[Tensor],
        weights: Tensor | None,
    ) -> Scores:
        seen: dict[str, Tensor] = {}
        columns = torch.zeros_like(targets) if self.subnetwork.narrow else targets

        def select(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
            view = View(
                outputs[0],
                dict(zip(self.subnetwork.names, outputs[1:], strict=True)),
                columns,
                groups,
            )
            scores = _checked(objective.score(view), len(targets), objective)
            seen["objective"] = _values(scores, images)
            seen["drive"] = (
                _values(self.drive.score(view), images) if self.regularised else seen["objective"]
            )
            return scores if weights is None else scores * weights

        gradient = self.method.attribute(
            images.detach().requires_grad_(), select, additional_forward_args=(targets, *draws)
        )
        return Scores(seen["objective"], seen["drive"], gradient)

    def check(
        self, images: Tensor, targets: Tensor, groups: Tensor, draws: Sequence[Tensor] = ()
    ) -> None:
        """Raise MaximizeError if the score of a row depends on the image of another row.

        With weights w on the scores, the gradient of row i must be w_i times its unweighted
        gradient. A selector that mixes, shifts or swaps rows cannot satisfy that.
        """
        if self.objective.couples:
            return
        weights = 1 + torch.arange(len(targets), dtype=images.dtype, device=images.device) / len(
            targets
        )
        plain = self(images, targets, groups, draws).gradient
        weighted = self(images, targets, groups, draws, weights).gradient
        expected = plain * weights.view(-1, 1, 1, 1)
        tolerance = 1e3 * torch.finfo(images.dtype).eps * expected.abs().max()
        if (weighted - expected).abs().max() > tolerance:
            raise MaximizeError(
                f"objective {self.objective!r}: a row's score depends on another row's image; "
                "accepted: one score a row, from that row only"
            )


def _joined(parts: Sequence[Scores]) -> Scores:
    return Scores(
        torch.cat([part.objective for part in parts]),
        torch.cat([part.drive for part in parts]),
        torch.cat([part.gradient for part in parts]),
    )


def _of_images(
    objective: Objective, images: Tensor, targets: Tensor, groups: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the scores (N,) of an objective that reads only the images, and their gradient."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        scores = objective.score(View(images, {}, targets, groups))
        weighted = scores if weights is None else scores * weights
        (gradient,) = torch.autograd.grad(weighted.sum(), images)
    return _values(scores, images), gradient


def _values(scores: Tensor, images: Tensor) -> Tensor:
    """Return scores without their graph, in the images' type, whatever the objective's own."""
    return scores.detach().to(images.dtype)


def _checked(scores: Tensor, rows: int, objective: Objective) -> Tensor:
    if not isinstance(scores, Tensor) or scores.shape != (rows,) or not scores.is_floating_point():
        got = (
            f"{tuple(scores.shape)} {scores.dtype}"
            if isinstance(scores, Tensor)
            else type(scores).__name__
        )
        raise MaximizeError(
            f"objective {objective!r} gives {got} for {rows} rows; accepted: one real score a row"
        )
    return scores
