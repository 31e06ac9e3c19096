"""What a command returns: the same result for programs and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """`data` is printed as one JSON object with ``--json``, `text` otherwise."""

    data: dict[str, Any]
    text: str
