"""The work of ascents, and smaller defaults for large networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..inside.capture import PRE
from ..spec import NetworkSpec
from .presets import step_count

# multiply-accumulates of all forward passes: half an hour at 4e10 a second, as backward takes
# twice that
MOST_WORK = 2e13
_DEFAULT_WORK = 1e12  # a minute or two
_DEFAULT_TARGETS = 16
_DEFAULT_STEPS = 100
_RESTARTS = 4


@dataclass(frozen=True)
class Effort:
    """Targets (None: all), restarts and steps (None: the preset's) of an ascent.

    `reduced` says what was reduced, and why; None if nothing was.
    """

    targets: tuple[int, ...] | None
    restarts: int
    steps: int | None
    reduced: str | None = None


def effort(
    spec: NetworkSpec,
    layer: str,
    preset: str,
    targets: Sequence[int] | None = None,
    restarts: int | None = None,
    steps: int | None = None,
) -> Effort:
    """Return targets, restarts and steps of an ascent for `layer`: those given, else the defaults.

    The defaults are all targets, 4 restarts and the preset's steps. If that took more than
    `MOST_WORK`, arguments of None become the first targets, one restart and few steps, which take a
    minute or two.
    """
    requested = None if targets is None else tuple(targets)
    usual = Effort(requested, _RESTARTS if restarts is None else restarts, steps)
    count = spec[layer.removesuffix(PRE)].output_shape[-1] if requested is None else len(requested)
    work = multiply_accumulates(spec, layer)
    all_steps = step_count(preset, steps)
    if count * usual.restarts * all_steps * work <= MOST_WORK:
        return usual
    fewer_restarts = 1 if restarts is None else restarts
    fewer_steps = _DEFAULT_STEPS if steps is None else steps
    work_per_target = fewer_restarts * step_count(preset, fewer_steps) * work
    most = max(1, min(_DEFAULT_TARGETS, int(_DEFAULT_WORK / work_per_target)))
    chosen = tuple(range(min(count, most))) if requested is None else requested
    reduced = Effort(chosen, fewer_restarts, fewer_steps)
    if reduced == usual:
        return usual
    return Effort(
        chosen,
        fewer_restarts,
        fewer_steps,
        f"{layer}: {count:,} images x {usual.restarts} restarts x {all_steps} steps would take "
        "more than half an hour; "
        f"made: {len(chosen)} x {fewer_restarts} x {step_count(preset, fewer_steps)} "
        "(--maps or --classes, --restarts and --steps choose)",
    )


def multiply_accumulates(spec: NetworkSpec, layer: str) -> int:
    """Return the multiply-accumulates of one forward pass up to `layer`, through the layers that it
    needs.
    """
    return sum(spec[step.name].macs for step in spec.plan(layer.removesuffix(PRE)))
