"""Numbers of maps, units and classes as options: ``--maps 3 17``, ``--maps 0-15``, ``--maps
all``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from ..errors import UserError

_ITEM = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?\Z")


def read_numbers(
    words: Sequence[str] | None, count: int, option: str, owner: str = ""
) -> list[int] | None:
    """Return the numbers that `words` name, in their order; None for no words and for ``all``.

    The numbers must be different and below `count`; otherwise raises UserError, whose message
    contains `owner`, such as ``of layer 'Conv2D_1'``. The older form with commas is accepted with a
    note.
    """
    if words is None or list(words) == ["all"]:
        return None
    items = [item.strip() for word in words for item in word.split(",")]
    matches = [_ITEM.match(item) for item in items]
    spans = [range(int(match[1]), int(match[2] or match[1]) + 1) for match in matches if match]
    exist = all(matches) and all(span and span.stop <= count for span in spans)
    numbers = [number for span in spans for number in span] if exist else []
    if not exist or len(set(numbers)) < len(numbers):
        place = f" {owner}" if owner else ""
        raise UserError(
            f"--{option} {' '.join(words)}{place}: cannot work; accepted: all, or different "
            f"numbers of 0 to {count - 1}, such as 3 17 or 0-5"
        )
    if len(items) > len(words):
        print(
            f"note: --{option} takes numbers with spaces between them: --{option} "
            f"{' '.join(items)}",
            file=sys.stderr,
        )
    return numbers
