"""Steps of gradient ascent on the rows that still climb, and the reasons for which a row stops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from .gradient import RowGradient, Scores
from .inputs import CHANGE, Constraint
from .rows import Rows
from .stages import Stage

TINY = 1e-7  # of the source; keeps the norm of a zero gradient above zero
PATIENCE = 10  # number of steps without gradient after which a row counts as silent
# relative change, successive steps, and steps before they count
CONVERGED = 5e-4
HITS = 4
WARM_UP = 10
# why a row stopped
STEPS = "steps"
SILENT = "silent"
CONVERGENCE = "converged"


@dataclass
class Climb:
    """The rows of an ascent and their `images` so far, (N, C, H, W).

    Gradients are computed for `size` rows at a time, the last of them filled up: a row's gradient
    is then the same to the bit, whatever other rows there are. `together` are the rows of each
    group where rows depend on each other; without it, groups are formed of the rows that climb.
    """

    rows: Rows
    images: Tensor
    size: int
    together: Sequence[Tensor] = ()
    history: list[Tensor] = field(default_factory=list)
    steps: Tensor = field(init=False)
    stops: list[str] = field(init=False)

    def __post_init__(self) -> None:
        device = self.images.device
        self.targets = torch.from_numpy(self.rows.targets).to(device)
        self.steps = torch.zeros(len(self.rows), dtype=torch.int64, device=device)
        # padding is coupled with no row
        self.apart = -1 - torch.arange(self.size, device=device)

    def groups(self, active: Tensor) -> list[Tensor]:
        """Return the rows of each group in which some of the rows are active, bool (N,)."""
        if self.together:
            return [group for group in self.together if active[group].any()]
        climbing = active.nonzero()[:, 0]
        return list(climbing.split(self.size)) if len(climbing) else []

    def inputs(self, group: Tensor, draws: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return images, targets, coupling and random numbers of a group, filled up to `size`."""
        missing = self.size - len(group)
        filled = torch.cat([group, group[:1].expand(missing)])
        targets = self.targets[filled]
        coupling = torch.cat([targets[: len(group)], self.apart[:missing]])
        return self.images[filled], targets, coupling, *(numbers[filled] for numbers in draws)


class Climber:
    """Climbs one stage."""

    def __init__(
        self, network: Network, stage: Stage, constraint: Constraint, converge: bool
    ) -> None:
        self.stage = stage
        self.constraint = constraint
        self.converge = converge
        self.gradient = RowGradient(network, stage.objective, stage.transformations)

    def climb(
        self,
        climb: Climb,
        number: int,
        before: int,
        kept_steps: Sequence[int],
        keep: dict[int, Tensor],
        report: Callable[[int], None],
    ) -> None:
        """Climb stage `number`, after `before` steps; `keep` gets the images after `kept_steps`."""
        self._add(climb, number)
        draws = self._draws(climb, number)
        watch = _Watch(climb.images, self.converge)
        for step in range(self.stage.steps):
            drawn = [numbers[:, step] for numbers in draws]
            climb.history.append(climb.images.new_full((len(climb.rows),), torch.nan))
            done = 0
            for group in climb.groups(watch.active):
                images, targets, coupling, *random = climb.inputs(group, drawn)
                if step == done == 0:
                    self.gradient.check(images, targets, coupling, random)
                scores = self.gradient(images, targets, coupling, random)
                self._move(climb, group, images, scores, watch, step)
                done += len(group)
                report((before + step) * len(climb.rows) + done)
            if before + step in kept_steps:
                keep[before + step] = climb.images.clone()
            report((before + step + 1) * len(climb.rows))
        climb.stops = watch.reasons()

    def _move(
        self, climb: Climb, group: Tensor, images: Tensor, scores: Scores, watch: _Watch, step: int
    ) -> None:
        rows = len(group)
        climb.history[-1][group] = scores.objective[:rows].where(watch.active[group], torch.nan)
        watch.see(group, scores, step, self.gradient.regularised)
        direction = scores.gradient
        for change in self.stage.gradient_filters:
            direction = change(direction)
        size = direction.square().mean((1, 2, 3), keepdim=True).sqrt() + TINY
        moved = self.constraint.hold(
            images + direction / size * (self.stage.step * self.constraint.scale)
        )
        active = watch.active[group]
        climb.images[group] = torch.where(active.view(-1, 1, 1, 1), moved[:rows], images[:rows])
        climb.steps[group] += active

    def _add(self, climb: Climb, number: int) -> None:
        if self.stage.add is None:
            return
        shape = tuple(climb.images.shape[1:])
        for first in range(0, len(climb.rows), climb.size):
            part = slice(first, first + climb.size)
            noise = self.stage.add.draw(climb.rows[part].generators(CHANGE, number, 0), shape)
            noise = noise.to(climb.images) * self.constraint.scale
            climb.images[part] = self.constraint.hold(climb.images[part] + noise)

    def _draws(self, climb: Climb, number: int) -> list[Tensor]:
        """Return the random numbers of each transformation for all rows and steps, (rows, steps,
        k).
        """
        shape = tuple(climb.images.shape[1:])
        return [
            torch.from_numpy(
                np.stack(
                    [
                        change.draw(generator, self.stage.steps, shape)
                        for generator in climb.rows.generators(CHANGE, number, 1 + index)
                    ]
                )
            ).to(climb.images)
            for index, change in enumerate(self.stage.transformations)
        ]


class _Watch:
    """Watches which rows still climb in this stage, and why the others stopped."""

    def __init__(self, images: Tensor, converge: bool) -> None:
        rows = len(images)
        self.zeros = torch.zeros(rows, dtype=torch.int64, device=images.device)
        self.hits = torch.zeros_like(self.zeros)
        self.active = torch.ones(rows, dtype=torch.bool, device=images.device)
        self.last = images.new_zeros(rows)
        self.converge = converge

    def see(self, group: Tensor, scores: Scores, step: int, regularised: bool) -> None:
        """Count steps without gradient and small changes of the group's active rows; those with too
        many stop before this step.
        """
        active = self.active[group]
        objective, drive, gradient = (
            values[: len(group)] for values in (scores.objective, scores.drive, scores.gradient)
        )
        still = torch.ones_like(active) if regularised else (gradient == 0).flatten(1).all(1)
        zeros = self.zeros[group] + ((drive == 0) & still & active)
        hits = self.hits[group]
        if self.converge and step > WARM_UP:
            change = (objective - self.last[group]).abs() / (objective.abs() + TINY)
            hits = torch.where(active, torch.where(change < CONVERGED, hits + 1, 0), hits)
        self.zeros[group] = zeros
        self.hits[group] = hits
        self.last[group] = objective
        self.active[group] = (zeros <= PATIENCE) & (hits < HITS)

    def reasons(self) -> list[str]:
        counts = zip(self.zeros.tolist(), self.hits.tolist(), strict=True)
        return [_reason(zeros, hits) for zeros, hits in counts]


def _reason(zeros: int, hits: int) -> str:
    """Return why a row stopped, by its numbers of steps without gradient and with small changes."""
    if zeros > PATIENCE:
        return SILENT
    return CONVERGENCE if hits >= HITS else STEPS
