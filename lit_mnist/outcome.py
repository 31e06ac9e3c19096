"""What a command returns: the same result for programs and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """`data` is printed as one JSON object with ``--json``, `text` otherwise.

    `code` is the program's exit code: 0, or 1 where the command worked and what it checked did not hold.
    """

    data: dict[str, Any]
    text: str
    code: int = 0
