"""The stages of an ascent: objective, steps and what changes at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .checks import need_positive, need_whole
from .inputs import Fluctuations
from .objectives import Objective
from .transformations import GradientFilter, Transformation


@dataclass(frozen=True)
class Stage:
    """A part of an ascent: `steps` steps of size `step`, in standard deviations or fractions of the
    pixel range.

    `add` is noise that is added to the image before the stage. `gradient_filters` are applied in
    order to the gradient, before it is divided by its root mean square.
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


def with_steps(
    stages: Sequence[Stage], steps: int | None = None, step: float | None = None
) -> tuple[Stage, ...]:
    """Return the stages with another number of steps in the last one, or with another step size in
    all.
    """
    changed = [replace(stage, step=stage.step if step is None else step) for stage in stages]
    return (*changed[:-1], changed[-1] if steps is None else replace(changed[-1], steps=steps))


def snapshot_steps(steps: int, count: int | tuple[int, ...] = 6) -> tuple[int, ...]:
    """Return the source's steps for pictures: 0, floor(n / 2^k) 2^i for i < k, and n - 1.

    For 600 steps and `count` 6 these are 0, 9, 18, ..., 288, 599. If `count` is a tuple of steps,
    those below `steps` are returned, and the last step.
    """
    if isinstance(count, tuple):
        return tuple(sorted({step for step in count if 0 <= step < steps} | {steps - 1}))
    need_whole("snapshots", count, 0)
    unit = steps // 2**count
    return tuple(sorted({0, steps - 1, *(unit * 2**i for i in range(count))}))
