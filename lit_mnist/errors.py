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
    close = _closest(str(name), accepted)
    hint = f"did you mean {close!r}? " if close else ""
    return f"{hint}Accepted: {', '.join(accepted)}"


def _closest(name: str, accepted: list[str]) -> str | None:
    """The choice that `name` abbreviates or spells out, else the one that it is spelled most like."""
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
