"""The error for a user's input, checks of numbers, and the wording of error messages."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TypeGuard

_MANY = 40  # names; longer lists are shortened
_FEW = 10  # names of a shortened list
SUMMARY = "`summary` lists them"  # the layers of a network


class UserError(ValueError):
    """Input that cannot work: a file, a flag, a key, a name; shown as one message, exit code 2."""


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether `value` is a whole number, NumPy's included; true and false are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[int | float]:
    """Return whether `value` is a finite number, NumPy's included; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def need_whole(
    name: str, value: object, least: int = 1, error: type[UserError] = UserError
) -> None:
    """Raise `error` unless `value` is a whole number of at least `least`."""
    if not is_whole(value) or value < least:
        limit = "a whole number above 0" if least == 1 else f"a whole number, {least} or above"
        raise error(f"{name} = {value!r} cannot work; accepted: {limit}")


def need_seed(name: str, value: object, error: type[UserError] = UserError) -> None:
    """Raise `error` unless `value` is a seed that NumPy and torch accept: 32 bits."""
    if not is_whole(value) or not 0 <= value < 2**32:
        raise error(
            f"{name} = {'null' if value is None else repr(value)} cannot work; accepted: a whole "
            f"number, 0 to {2**32 - 1}"
        )


def need_number(
    name: str,
    value: object,
    least: float = 0.0,
    most: float = math.inf,
    error: type[UserError] = UserError,
) -> None:
    """Raise `error` unless `value` is a finite number in ``least..most``."""
    if not is_finite(value) or not least <= value <= most:
        limit = f"{least:g} or above" if most == math.inf else f"{least:g} to {most:g}"
        raise error(f"{name} = {value!r} cannot work; accepted: a finite number, {limit}")


def need_positive(name: str, value: object, error: type[UserError] = UserError) -> None:
    """Raise `error` unless `value` is a finite number above 0."""
    if not is_finite(value) or value <= 0:
        raise error(f"{name} = {value!r} cannot work; accepted: a finite number above 0")


def first_line(error: Exception, line: int = 0) -> str:
    """Return the first line of an error's message that is not blank, else the error's name.

    `line` counts such lines from 0; the last one is returned if there are fewer.
    """
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return (lines or [type(error).__name__])[min(line, max(len(lines) - 1, 0))][:200]


def nearest(name: str, accepted: Iterable[str], where: str = "") -> str:
    """Say which of `accepted` is closest to `name`, and list them; of many, those most like it.

    Returns a clause for the end of an error message, such as
    ``did you mean 'relu'? Accepted: elu, linear, relu``. `where` says where all are listed.
    """
    accepted = [str(choice) for choice in accepted]
    close = _closest(str(name), accepted)
    hint = f"did you mean {close!r}? " if close else ""
    if len(accepted) > _MANY:
        accepted = _by_likeness(str(name), accepted, close)
    return f"{hint}Accepted: {listed(accepted, where)}"


def listed(names: Iterable[str], where: str = "") -> str:
    """Return `names` with commas between them; of more than 40, the first ten and a count.

    `where` says where all are listed: ``a, b, ... and 137 others (`summary` lists them)``.
    """
    names = [str(name) for name in names]
    if len(names) <= _MANY:
        return ", ".join(names)
    place = f" ({where})" if where else ""
    return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} others{place}"


def _by_likeness(name: str, accepted: list[str], closest: str | None) -> list[str]:
    """Return the choices: `closest`, then those that are spelled most like `name`."""
    matcher = difflib.SequenceMatcher(b=name.lower())
    likeness = {}
    for choice in accepted:
        matcher.set_seq1(choice.lower())
        likeness[choice] = matcher.ratio()
    return sorted(accepted, key=lambda choice: (choice != closest, -likeness[choice]))


def _closest(name: str, accepted: list[str]) -> str | None:
    """Return the choice that `name` abbreviates or extends, else the one spelled most like it."""
    folded = {choice.lower(): choice for choice in accepted}
    kin = [
        choice
        for key, choice in folded.items()
        if min(len(key), len(name)) > 1
        and (key.startswith(name.lower()) or name.lower().startswith(key))
    ]
    alike = kin or [
        folded[key] for key in difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    ]
    return alike[0] if alike else None
