"""Recipes: the sources' algorithms and a more robust one, as stages of one engine."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import nearest
from .checks import MaximizeError
from .inputs import SIZES, WEIGHTS, Fluctuations
from .objectives import LayerEnergy, Objective, TotalVariation
from .stages import Stage, with_steps
from .transformations import Blur, Jitter

SMOOTH = 1.0  # weight of the total variation beside the objective


def source(objective: Objective) -> tuple[Stage, ...]:
    """Return the first source's ascent: 400 steps of 0.01 along the normalised gradient."""
    return (Stage(objective),)


def staged(objective: Objective) -> tuple[Stage, ...]:
    """Return the strategy that the source announced: low frequencies first, then finer and finer
    noise.
    """
    steps = (20, 40, 80, 400)
    added = (
        None,
        *(
            Fluctuations((size,), (weight,))
            for size, weight in zip(SIZES[1:], WEIGHTS[1:], strict=True)
        ),
    )
    return tuple(Stage(objective, n, add=noise) for n, noise in zip(steps, added, strict=True))


def robust(objective: Objective) -> tuple[Stage, ...]:
    """Return an ascent under jitter along a blurred gradient, then finer steps: patterns that work
    at any position.
    """
    changes = {"transformations": (Jitter(0.05),), "gradient_filters": (Blur(1.0),)}
    return (Stage(objective, 300, 0.02, **changes), Stage(objective, 100, 0.005, **changes))


def class_images(objective: Objective) -> tuple[Stage, ...]:
    """Return the second source's two passes of 300 steps under jitter; the second, from the
    first's image, smooths.
    """
    jitter = (Jitter(0.05),)
    return (
        Stage(objective, 300, transformations=jitter),
        Stage(objective - SMOOTH * TotalVariation(), 300, transformations=jitter),
    )


Recipe = Callable[[Objective], tuple[Stage, ...]]
PRESETS: dict[str, Recipe] = {
    "source": source,
    "staged": staged,
    "robust": robust,
    "class": class_images,
}

STARTS = {
    "staged": Fluctuations(SIZES[:1], WEIGHTS[:1])
}  # the others begin with all wavelengths at once


def recipe(name: str) -> Recipe:
    """Return the preset called `name`; raise MaximizeError with the nearest where there is none."""
    if name not in PRESETS:
        raise MaximizeError(f"preset {name!r}: unknown; {nearest(name, PRESETS)}")
    return PRESETS[name]


def stage_steps(preset: str, steps: int | None = None) -> list[int]:
    """Return the steps of each stage of a preset; its last stage has `steps` where given."""
    return [stage.steps for stage in with_steps(recipe(preset)(LayerEnergy("")), steps)]


def step_count(preset: str, steps: int | None = None) -> int:
    """Return the steps of all stages of a preset together, as `stage_steps`."""
    return sum(stage_steps(preset, steps))
