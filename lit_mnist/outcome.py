"""What commands and functions return: the same result for programs and for people."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, TypeVar

Record = TypeVar("Record", covariant=True)


class Records(tuple[Record, ...]):
    """A tuple of records; a notebook shows those that have a picture, one below the other."""

    def _repr_html_(self) -> str | None:
        draw = [getattr(record, "_repr_png_", lambda: None) for record in self]
        images = [
            base64.b64encode(png).decode() for png in (each() for each in draw) if png is not None
        ]
        return "".join(f'<img src="data:image/png;base64,{image}"><br>' for image in images) or None


@dataclass(frozen=True)
class Outcome:
    """`data` is printed as one JSON object with ``--json``, `text` otherwise.

    `code` is the program's exit code: 0, or 1 if a check that the command made has failed.
    """

    data: dict[str, Any]
    text: str
    code: int = 0
