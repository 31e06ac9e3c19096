"""Gradient ascent on many images at once: every row normalised, held, watched and stopped by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..inside.passes import batch_size
from ..network import Network
from ..spec import NetworkSpec
from .checks import MaximizeError, need_positive, need_whole
from .gradient import RowGradient, Scores
from .inputs import CHANGE, Constraint, Fluctuations, generator
from .objectives import Objective
from .transformations import GradientFilter, Transformation

# Rows computed together, always, the last ones filled up: results then cannot depend on how many are asked
# for. 64 rows take less time a row than 32, by a sixth, but ten classes or a few silent maps half of it.
CHUNK = 32
COUPLED = (
    64  # the same for objectives that couple a target's restarts, which must fit into one chunk
)
TINY = 1e-7  # of the source: keeps a zero gradient from being divided by zero
PATIENCE = 10  # zero steps after which a start counts as not waking the map
# relative change, successive steps, and steps before they count
CONVERGED = 5e-4
HITS = 4
WARM_UP = 10
# why a row stopped
STEPS = "steps"
SILENT = "silent"
CONVERGENCE = "converged"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rows:
    """What each row of an ascent is for: its target (map, unit, class) and which restart it is, both (N,)."""

    targets: np.ndarray
    restarts: np.ndarray
    seed: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, part: np.ndarray | slice) -> Rows:
        return Rows(self.targets[part], self.restarts[part], self.seed)

    def chances(self, purpose: int, *more: int) -> list[np.random.Generator]:
        """Return each row's own random numbers for `purpose`."""
        return [
            generator(self.seed, purpose, int(t), int(r), *more)
            for t, r in zip(self.targets, self.restarts, strict=True)
        ]


def rows_for(targets: Sequence[int], restarts: int, seed: int = 0) -> Rows:
    """Return rows for every target times `restarts`, a target's restarts side by side."""
    need_whole("restarts", restarts)
    need_whole("seed", seed, 0)
    return Rows(
        np.repeat(np.asarray(targets, np.int64), restarts),
        np.tile(np.arange(restarts), len(targets)),
        seed,
    )


@dataclass(frozen=True)
class Stage:
    """A part of an ascent: `steps` steps of size `step` (in deviations, or in widths of the pixels' range).

    `add` are fluctuations laid over the image before the stage begins; `gradient_filters` are applied to the
    gradient in turn, before it is divided by its root mean square.
    """

    objective: Objective
    steps: int = 400
    step: float = 0.01
    transformations: tuple[Transformation, ...] = ()
    gradient_filters: tuple[GradientFilter, ...] = ()
    add: Fluctuations | None = None

    def __post_init__(self) -> None:
        need_whole("steps", self.steps)
        need_positive("step", self.step)


@dataclass(frozen=True)
class Ascent:
    """What an ascent gave, row by row.

    `starts`, `images` (N, C, H, W) in the network's input; `objective` (N, all steps), before each step,
    NaN where a row had stopped; `steps` (N,) made; `stops` (N,) why; `snapshots` (N, S, C, H, W) after the
    steps `snapshot_steps`.
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


def snapshot_steps(steps: int, count: int | tuple[int, ...] = 6) -> tuple[int, ...]:
    """Return the source's steps for pictures: 0, floor(n / 2^k) 2^i for i < k, n - 1 (600, 6: 0, 9, 18, ... 288, 599).

    Of steps given as a tuple, those that exist, and the last one.
    """
    if isinstance(count, tuple):
        return tuple(sorted({step for step in count if 0 <= step < steps} | {steps - 1}))
    need_whole("snapshots", count, 0)
    first = steps // 2**count
    return tuple(sorted({0, steps - 1, *(first * 2**i for i in range(count))}))


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
    """Climb from `starts` (N, C, H, W) through `stages`; on the network's device, in its type.

    Rows are worked on in chunks of fixed size (the last one padded), so memory is bounded and a row's
    result is the same bits whatever other rows are asked for. `converge` stops a row once
    ``|change| / (|objective| + 1e-7)`` was below 5e-4 in four successive steps after the tenth.
    `progress` is called with rows x steps done and in all. Raises MaximizeError.
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
    climbers = [_Climber(network, stage, constraint, converge) for stage in stages]
    parts = []
    coupled = any(stage.objective.couples for stage in stages)
    size = COUPLED if coupled else chunk_rows(network.spec)
    work = _together(rows) if coupled else _chunks(rows, size)
    for done, index in enumerate(work):

        def report(steps: int, done: int = done, count: int = len(index)) -> None:
            if progress:
                progress(sum(map(len, work[:done])) * total + count * steps, len(rows) * total)

        parts.append(
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
        parts, np.argsort(np.concatenate(work)), rows, starts, snapshot_steps(total, snapshots)
    )


def chunk_rows(spec: NetworkSpec) -> int:
    """Return how many rows climb together: 32, of large networks as many as fit half a GiB.

    Gradients count as much as activations.
    """
    return min(CHUNK, max(1, batch_size(spec, 2 * CHUNK) // 2))


def _chunks(rows: Rows, size: int) -> list[np.ndarray]:
    """Return the indices of the rows of each chunk."""
    return [np.arange(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]


def _together(rows: Rows) -> list[np.ndarray]:
    """Return the indices of the rows of each chunk, a target's restarts in one."""
    groups = [np.flatnonzero(rows.targets == target) for target in np.unique(rows.targets)]
    if max(map(len, groups)) > COUPLED:
        raise MaximizeError(
            f"restarts = {max(map(len, groups))} cannot work with an objective that couples them; "
            f"accepted: up to {COUPLED}"
        )
    chunks = [groups[0]]
    for group in groups[1:]:
        if len(chunks[-1]) + len(group) <= COUPLED:
            chunks[-1] = np.concatenate([chunks[-1], group])
        else:
            chunks.append(group)
    return chunks


def _climb_chunk(
    climbers: Sequence[_Climber],
    starts: Tensor,
    rows: Rows,
    index: np.ndarray,
    size: int,
    kept_steps: Sequence[int],
    report: Callable[[int], None],
) -> dict[str, Any]:
    padded = np.concatenate([index, np.full(size - len(index), index[0])])
    chunk = _Chunk(rows[padded], len(index), starts[torch.from_numpy(padded).to(starts.device)])
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


@dataclass
class _Chunk:
    """The rows being climbed; the first `size` are real, the others padding."""

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
        )  # padding couples with nothing


class _Climber:
    """One stage on one chunk after another."""

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
        chunk: _Chunk,
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
            drawn = [one[:, step] for one in draws]
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

    def _move(self, chunk: _Chunk, scores: Scores, watch: _Watch, step: int) -> None:
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

    def _add(self, chunk: _Chunk, number: int) -> None:
        if self.stage.add is None:
            return
        noise = self.stage.add.draw(
            chunk.rows.chances(CHANGE, number, 0), tuple(chunk.images.shape[1:])
        )
        noise = noise.to(chunk.images) * self.constraint.scale
        chunk.images = self.constraint.hold(chunk.images + noise)

    def _draws(self, chunk: _Chunk, number: int) -> list[Tensor]:
        """Every transformation's numbers for all rows and steps, each (rows, steps, k)."""
        shape = tuple(chunk.images.shape[1:])
        return [
            torch.from_numpy(
                np.stack(
                    [
                        change.draw(chance, self.stage.steps, shape)
                        for chance in chunk.rows.chances(CHANGE, number, 1 + place)
                    ]
                )
            ).to(chunk.images)
            for place, change in enumerate(self.stage.transformations)
        ]


class _Watch:
    """Which rows still climb in this stage, and why the others do not."""

    def __init__(self, chunk: _Chunk, converge: bool) -> None:
        options = {"dtype": torch.int64, "device": chunk.images.device}
        rows = len(chunk.images)
        self.zeros = torch.zeros(rows, **options)
        self.hits = torch.zeros(rows, **options)
        self.active = torch.ones(rows, dtype=torch.bool, device=chunk.images.device)
        self.converge = converge
        self.last: Tensor | None = None

    def see(self, scores: Scores, step: int, regularised: bool) -> None:
        """Count zero steps and small changes; rows that have enough of them stop before this step."""
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
    """Say why a row ended, from its steps without a gradient and its steps with hardly any change."""
    if zeros > PATIENCE:
        return SILENT
    return CONVERGENCE if hits >= HITS else STEPS


def _joined(
    parts: Sequence[dict],
    order: np.ndarray,
    rows: Rows,
    starts: Tensor,
    kept_steps: tuple[int, ...],
) -> Ascent:
    def together(key: str) -> np.ndarray:
        return np.concatenate([_array(part[key])[: part["size"]] for part in parts])[order]

    return Ascent(
        rows,
        _array(starts),
        together("images"),
        together("objective"),
        together("steps"),
        together("stops"),
        together("snapshots"),
        kept_steps,
    )


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def with_steps(
    stages: Sequence[Stage], steps: int | None = None, step: float | None = None
) -> tuple[Stage, ...]:
    """Return the stages with another number of steps in the last one, or another step size in all."""
    changed = [replace(stage, step=stage.step if step is None else step) for stage in stages]
    return (*changed[:-1], changed[-1] if steps is None else replace(changed[-1], steps=steps))
