"""Differences of arrays, and checks of them against limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference, and the same relative to the reference's largest value.

    NaN where either side holds NaN or infinity, infinity where the shapes differ: neither passes a
    check.
    """

    absolute: float
    relative: float


@dataclass(frozen=True)
class Check:
    """One comparison of a quantity, `name`, in a layer, weight or step, `part`.

    `travelled`, of weights that move, is the error relative to the distance that they moved (see
    `moved`).
    """

    name: str
    part: str
    error: float
    limit: float
    difference: Difference
    travelled: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit; NaN is not."""
        return bool(self.error <= self.limit)


def difference(
    ours: np.ndarray | float, theirs: np.ndarray | float, least: float = 0.0
) -> Difference:
    """Compare two arrays (or numbers), `theirs` being the reference.

    The relative difference has `least` as denominator where the reference's values are smaller.
    """
    ours = np.asarray(ours, np.float64)
    theirs = np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return Difference(math.inf, math.inf)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return Difference(math.nan, math.nan)
    absolute = float(np.abs(ours - theirs).max(initial=0.0))
    scale = float(np.abs(theirs).max(initial=0.0))
    return Difference(absolute, _ratio(absolute, max(scale, least)))


def absolute(
    name: str, part: str, ours: np.ndarray | float, theirs: np.ndarray | float, limit: float
) -> Check:
    """Check the largest absolute difference."""
    measured = difference(ours, theirs)
    return Check(name, part, measured.absolute, limit, measured)


def relative(
    name: str,
    part: str,
    ours: np.ndarray | float,
    theirs: np.ndarray | float,
    limit: float,
    least: float = 0.0,
) -> Check:
    """Check the largest difference relative to the reference's largest value, or to `least`."""
    measured = difference(ours, theirs, least)
    return Check(name, part, measured.relative, limit, measured)


def equal(name: str, part: str, ours: object, theirs: object) -> Check:
    """Check that two plain values are equal."""
    measured = Difference(*[0.0 if ours == theirs else math.inf] * 2)
    return Check(name, part, measured.absolute, 0.0, measured)


def moved(
    name: str, part: str, ours: np.ndarray, theirs: np.ndarray, start: np.ndarray, limit: float
) -> Check:
    """Check the largest absolute difference of weights that both moved away from `start`.

    `travelled` is Euclidean, ``|ours - theirs| / |theirs - start|``: of single elements the last
    place alone can be more than 1e-5 of a float32 step (2^-25 of a step of 0.002).
    """
    measured = difference(ours, theirs)
    if measured.absolute == 0:
        return Check(name, part, 0.0, limit, measured, 0.0)
    travelled = measured.absolute  # infinite or NaN
    if math.isfinite(travelled):
        apart, way = (
            float(np.linalg.norm(np.float64(end) - np.float64(theirs))) for end in (ours, start)
        )
        travelled = apart / way if way else math.inf
    return Check(name, part, measured.absolute, limit, measured, travelled)


def same_keys(name: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> Check:
    """Check that both sides have the same names in the same order."""
    return equal(name, "names", list(ours), list(theirs))


def worst(checks: Iterable[Check]) -> dict[str, Check]:
    """Return the worst check of each name: closest to its limit or furthest beyond it.

    Without a limit it is the largest.
    """
    closest: dict[str, Check] = {}
    for check in checks:
        if check.name not in closest or _badness(check) > _badness(closest[check.name]):
            closest[check.name] = check
    return closest


def _badness(check: Check) -> tuple[float, float]:
    if math.isnan(check.error):
        return math.inf, math.inf
    return _ratio(check.error, check.limit), check.error


def _ratio(value: float, scale: float) -> float:
    """Return `value` over `scale`; infinity if only `scale` is 0."""
    if value == 0:
        return 0.0
    return value / scale if scale else math.inf
