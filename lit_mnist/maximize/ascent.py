"""Gradient ascent on many images at once, each with its own target, normalisation and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from .checks import MaximizeError
from .climbing import Chunk, Climber
from .inputs import Constraint
from .rows import Rows, chunk_rows, coupled_rows
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

    Rows are computed in chunks of a fixed size (the last one padded), which bounds memory and makes
    the result of a row independent of the others, to the bit. `converge` stops a row once
    ``|change| / (|objective| + 1e-7)`` was below 5e-4 in four successive steps after the tenth.
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
    climbers = [Climber(network, stage, constraint, converge) for stage in stages]
    results = []
    coupled = any(stage.objective.couples for stage in stages)
    size = coupled_rows(network.spec, rows) if coupled else chunk_rows(network.spec)
    chunks = _together(rows, size) if coupled else _chunks(rows, size)
    for done, index in enumerate(chunks):

        def report(steps: int, done: int = done, count: int = len(index)) -> None:
            if progress:
                progress(sum(map(len, chunks[:done])) * total + count * steps, len(rows) * total)

        results.append(
            _climb_chunk(
                climbers,
                starts,
                rows,
                index,
                size,
                snapshot_steps(total, snapshots),
                report,
            )
        )
    return _joined(
        results, np.argsort(np.concatenate(chunks)), rows, starts, snapshot_steps(total, snapshots)
    )


def _chunks(rows: Rows, size: int) -> list[np.ndarray]:
    """Return the rows of each chunk."""
    return [np.arange(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]


def _together(rows: Rows, size: int) -> list[np.ndarray]:
    """Return the rows of each chunk of up to `size`, with all restarts of a target in one chunk."""
    groups = [np.flatnonzero(rows.targets == target) for target in np.unique(rows.targets)]
    chunks = [groups[0]]
    for group in groups[1:]:
        if len(chunks[-1]) + len(group) <= size:
            chunks[-1] = np.concatenate([chunks[-1], group])
        else:
            chunks.append(group)
    return chunks


def _climb_chunk(
    climbers: Sequence[Climber],
    starts: Tensor,
    rows: Rows,
    index: np.ndarray,
    size: int,
    kept_steps: Sequence[int],
    report: Callable[[int], None],
) -> dict[str, Any]:
    padded = np.concatenate([index, np.full(size - len(index), index[0])])
    chunk = Chunk(rows[padded], len(index), starts[torch.from_numpy(padded).to(starts.device)])
    keep = {}
    before = 0
    for number, climber in enumerate(climbers):
        climber.climb(chunk, number, before, kept_steps, keep, report)
        before += climber.stage.steps
    return {
        "images": chunk.images,
        "objective": torch.stack(chunk.history, 1),
        "steps": chunk.steps,
        "stops": np.array(chunk.stops),
        "snapshots": torch.stack([keep[step] for step in kept_steps], 1),
        "size": len(index),
    }


def _joined(
    results: Sequence[dict],
    order: np.ndarray,
    rows: Rows,
    starts: Tensor,
    kept_steps: tuple[int, ...],
) -> Ascent:
    def joined(key: str) -> np.ndarray:
        arrays = [_array(result[key])[: result["size"]] for result in results]
        return np.concatenate(arrays)[order]

    return Ascent(
        rows,
        _array(starts),
        joined("images"),
        joined("objective"),
        joined("steps"),
        joined("stops"),
        joined("snapshots"),
        kept_steps,
    )


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values
