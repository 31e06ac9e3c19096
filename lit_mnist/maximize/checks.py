"""The error of this package, and the checks of plain numbers that its parts share."""

from __future__ import annotations

import math

from ..errors import UserError


class MaximizeError(UserError):
    """An ascent that cannot work: a map that is not there, a step that is no number."""


def need_whole(name: str, value: object, least: int = 1) -> None:
    """Raise MaximizeError unless `value` is a whole number of at least `least`."""
    if type(value) is not int or value < least:
        raise MaximizeError(
            f"{name} = {value!r} cannot work; accepted: a whole number, {least} or above"
        )


def need_number(name: str, value: object, least: float = 0.0, most: float = math.inf) -> None:
    """Raise MaximizeError unless `value` is a finite number in ``least..most``."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not least <= value <= most
    ):
        limit = f"{least:g} or above" if most == math.inf else f"{least:g} to {most:g}"
        raise MaximizeError(f"{name} = {value!r} cannot work; accepted: a finite number, {limit}")


def need_positive(name: str, value: object) -> None:
    """Raise MaximizeError unless `value` is a finite number above 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (math.isfinite(value) and value > 0)
    ):
        raise MaximizeError(f"{name} = {value!r} cannot work; accepted: a finite number above 0")
