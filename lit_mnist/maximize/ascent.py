"""Gradient ascent on many images at once, each with its own target, normalisation and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from .checks import MaximizeError
from .climbing import Climb, Climber
from .inputs import Constraint
from .rows import Rows, chunk_rows, coupled_rows, most_rows
from .stages import Stage, snapshot_steps

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Ascent:
    """The result of an ascent, by row.

    `starts` and `images` are (N, C, H, W), in the network's input. `objective` (N, all steps) is
    measured before each step, NaN after a row has stopped. `steps` (N,) counts steps, `stops` (N,)
    holds the reasons, and `snapshots` (N, S, C, H, W) are images after the steps `snapshot_steps`.
    """

    rows: Rows
    starts: np.ndarray
    images: np.ndarray
    objective: np.ndarray
    steps: np.ndarray
    stops: np.ndarray
    snapshots: np.ndarray
    snapshot_steps: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)


def ascend(
    network: Network,
    stages: Sequence[Stage],
    starts: Tensor,
    rows: Rows,
    constraint: Constraint,
    converge: bool = False,
    snapshots: int | tuple[int, ...] = 6,
    progress: Progress | None = None,
) -> Ascent:
    """Climb from `starts` (N, C, H, W) through `stages`, on the network's device and in its type.

    Gradients are computed for a fixed number of rows at a time (the last ones padded), which bounds
    memory and makes the result of a row independent of the others, to the bit. Rows that have
    stopped cost nothing. `converge` stops a row once ``|change| / (|objective| + 1e-7)`` was below
    5e-4 in four successive steps after the tenth.
    `progress` is called with (rows x steps done, all rows x steps). Raises MaximizeError.
    """
    if not stages:
        raise MaximizeError("no stage to climb; accepted: at least one")
    if len(starts) != len(rows) or len(rows) == 0:
        raise MaximizeError(
            f"{len(starts)} start images for {len(rows)} rows; accepted: one each, at least one"
        )
    weight = next(network.parameters())
    starts = starts.to(weight.device, weight.dtype)
    total = sum(stage.steps for stage in stages)
    kept_steps = snapshot_steps(total, snapshots)

    def report(done: int) -> None:
        if progress:
            progress(done, len(rows) * total)

    climb = _climb(network, stages, starts, rows)
    keep: dict[int, Tensor] = {}
    before = 0
    for number, stage in enumerate(stages):
        climber = Climber(network, stage, constraint, converge)
        climber.climb(climb, number, before, kept_steps, keep, report)
        before += stage.steps
    return Ascent(
        rows,
        _array(starts),
        _array(climb.images),
        _array(torch.stack(climb.history, 1)),
        _array(climb.steps),
        np.array(climb.stops),
        _array(torch.stack([keep[step] for step in kept_steps], 1)),
        kept_steps,
    )


def _climb(network: Network, stages: Sequence[Stage], starts: Tensor, rows: Rows) -> Climb:
    if not any(stage.objective.couples for stage in stages):
        # on a GPU, few rows take as long as many
        size = (chunk_rows if starts.device.type == "cpu" else most_rows)(network.spec)
        return Climb(rows, starts.clone(), size)
    size = coupled_rows(network.spec, rows)
    return Climb(rows, starts.clone(), size, _together(rows, size, starts.device))


def _together(rows: Rows, size: int, device: torch.device) -> list[Tensor]:
    """Return the rows of each group of up to `size`, with all restarts of a target in one group."""
    targets = [np.flatnonzero(rows.targets == target) for target in np.unique(rows.targets)]
    groups = [targets[0]]
    for target in targets[1:]:
        if len(groups[-1]) + len(target) <= size:
            groups[-1] = np.concatenate([groups[-1], target])
        else:
            groups.append(target)
    return [torch.from_numpy(group).to(device) for group in groups]


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
