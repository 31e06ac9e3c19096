"""Steps of gradient ascent on one chunk of rows, and the reasons for which a row stops."""

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
class Chunk:
    """The rows that climb together; the first `size` are real, the others padding."""

    rows: Rows
    size: int
    images: Tensor
    history: list[Tensor] = field(default_factory=list)
    steps: Tensor = field(init=False)
    stops: list[str] = field(init=False)

    def __post_init__(self) -> None:
        device = self.images.device
        padded = len(self.images)
        self.steps = torch.zeros(padded, dtype=torch.int64, device=device)
        self.targets = torch.from_numpy(self.rows.targets).to(device)
        self.groups = self.targets.clone()
        self.groups[self.size :] = -1 - torch.arange(
            padded - self.size, device=device
        )  # padding is coupled with no row


class Climber:
    """Climbs one stage, on any number of chunks."""

    def __init__(
        self, network: Network, stage: Stage, constraint: Constraint, converge: bool
    ) -> None:
        self.stage = stage
        self.constraint = constraint
        self.converge = converge
        self.gradient = RowGradient(network, stage.objective, stage.transformations)
        self.checked = False

    def climb(
        self,
        chunk: Chunk,
        number: int,
        before: int,
        kept_steps: Sequence[int],
        keep: dict[int, Tensor],
        report: Callable[[int], None],
    ) -> None:
        self._add(chunk, number)
        draws = self._draws(chunk, number)
        watch = _Watch(chunk, self.converge)
        for step in range(self.stage.steps):
            drawn = [numbers[:, step] for numbers in draws]
            if not self.checked:
                self.gradient.check(chunk.images, chunk.targets, chunk.groups, drawn)
                self.checked = True
            if watch.active.any():
                scores = self.gradient(chunk.images, chunk.targets, chunk.groups, drawn)
                self._move(chunk, scores, watch, step)
            else:
                chunk.history.append(torch.full_like(chunk.history[-1], torch.nan))
            if before + step in kept_steps:
                keep[before + step] = chunk.images
            report(before + step + 1)
        chunk.stops = watch.reasons()

    def _move(self, chunk: Chunk, scores: Scores, watch: _Watch, step: int) -> None:
        chunk.history.append(scores.objective.where(watch.active, torch.nan))
        watch.see(scores, step, self.gradient.regularised)
        direction = scores.gradient
        for change in self.stage.gradient_filters:
            direction = change(direction)
        size = direction.square().mean((1, 2, 3), keepdim=True).sqrt() + TINY
        moved = self.constraint.hold(
            chunk.images + direction / size * (self.stage.step * self.constraint.scale)
        )
        chunk.images = torch.where(watch.active.view(-1, 1, 1, 1), moved, chunk.images)
        chunk.steps += watch.active

    def _add(self, chunk: Chunk, number: int) -> None:
        if self.stage.add is None:
            return
        noise = self.stage.add.draw(
            chunk.rows.generators(CHANGE, number, 0), tuple(chunk.images.shape[1:])
        )
        noise = noise.to(chunk.images) * self.constraint.scale
        chunk.images = self.constraint.hold(chunk.images + noise)

    def _draws(self, chunk: Chunk, number: int) -> list[Tensor]:
        """Return the random numbers of each transformation for all rows and steps, (rows, steps,
        k).
        """
        shape = tuple(chunk.images.shape[1:])
        return [
            torch.from_numpy(
                np.stack(
                    [
                        change.draw(generator, self.stage.steps, shape)
                        for generator in chunk.rows.generators(CHANGE, number, 1 + index)
                    ]
                )
            ).to(chunk.images)
            for index, change in enumerate(self.stage.transformations)
        ]


class _Watch:
    """Watches which rows of a chunk still climb in this stage, and why the others stopped."""

    def __init__(self, chunk: Chunk, converge: bool) -> None:
        options = {"dtype": torch.int64, "device": chunk.images.device}
        rows = len(chunk.images)
        self.zeros = torch.zeros(rows, **options)
        self.hits = torch.zeros(rows, **options)
        self.active = torch.ones(rows, dtype=torch.bool, device=chunk.images.device)
        self.converge = converge
        self.last: Tensor | None = None

    def see(self, scores: Scores, step: int, regularised: bool) -> None:
        """Count steps without gradient and small changes; rows with too many stop before this
        step.
        """
        still = (
            torch.ones_like(self.active)
            if regularised
            else (scores.gradient == 0).flatten(1).all(1)
        )
        self.zeros += (scores.drive == 0) & still
        if self.converge and step > WARM_UP and self.last is not None:
            change = (scores.objective - self.last).abs() / (scores.objective.abs() + TINY)
            self.hits = torch.where(change < CONVERGED, self.hits + self.active, 0)
        self.last = scores.objective
        self.active = (self.zeros <= PATIENCE) & (self.hits < HITS)

    def reasons(self) -> list[str]:
        counts = zip(self.zeros.tolist(), self.hits.tolist(), strict=True)
        return [_reason(zeros, hits) for zeros, hits in counts]


def _reason(zeros: int, hits: int) -> str:
    """Return why a row stopped, by its numbers of steps without gradient and with small changes."""
    if zeros > PATIENCE:
        return SILENT
    return CONVERGENCE if hits >= HITS else STEPS
