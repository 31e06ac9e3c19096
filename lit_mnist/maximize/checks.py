"""The error of this package, and the checks of numbers that raise it."""

from __future__ import annotations

from functools import partial

from .. import errors


class MaximizeError(errors.UserError):
    """An ascent that cannot work: a map that does not exist, or a step that is not a number."""


need_whole = partial(errors.need_whole, error=MaximizeError)
need_number = partial(errors.need_number, error=MaximizeError)
need_positive = partial(errors.need_positive, error=MaximizeError)
