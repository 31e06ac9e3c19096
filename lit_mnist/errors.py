"""The one error that a user's own input can cause, and the wording that its messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Input that cannot work: a file, a flag, a key, a name; shown as one message, exit code 2."""


def nearest(name: str, accepted: Iterable[str]) -> str:
    """Say which of `accepted` is closest to `name`, and list them all.

    Returns a clause for the end of an error message, such as
    ``did you mean 'relu'? Accepted: elu, linear, relu``.
    """
    accepted = [str(choice) for choice in accepted]
    close = difflib.get_close_matches(str(name), accepted, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Accepted: {', '.join(accepted)}"
