"""Recipes: the sources' algorithms and a sturdier one, as stages of one engine."""

from __future__ import annotations

from collections.abc import Callable

from .ascent import Stage
from .directions import Blur
from .objectives import Objective, TotalVariation
from .starts import SIZES, WEIGHTS, Fluctuations
from .transformations import Jitter


def source(objective: Objective) -> tuple[Stage, ...]:
    """Return the first source's ascent: 400 steps of 0.01 along the normalised gradient."""
    return (Stage(objective),)


def staged(objective: Objective) -> tuple[Stage, ...]:
    """Return the strategy that the source announced: long waves first, then ever finer fluctuations."""
    steps = (20, 40, 80, 400)
    added = (None, *(Fluctuations((size,), (weight,)) for size, weight in zip(SIZES[1:], WEIGHTS[1:], strict=True)))
    return tuple(Stage(objective, n, add=noise) for n, noise in zip(steps, added, strict=True))


def robust(objective: Objective) -> tuple[Stage, ...]:
    """Return an ascent under jitter along a blurred gradient: patterns that work wherever they lie."""
    return (Stage(objective, transformations=(Jitter(0.05),), directions=(Blur(1.0),)),)


def class_images(objective: Objective) -> tuple[Stage, ...]:
    """Return the second source's two passes of 300 steps under jitter, total variation held down in the second."""
    jitter = (Jitter(0.05),)
    return (Stage(objective, 300, transformations=jitter),
            Stage(objective - 1.0 * TotalVariation(), 300, transformations=jitter))


PRESETS: dict[str, Callable[[Objective], tuple[Stage, ...]]] = {
    "source": source, "staged": staged, "robust": robust, "class": class_images}
