"""What a parity run found, by kind of check: the record, the table for a terminal, the Markdown page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .checks import Check, worst


@dataclass(frozen=True)
class Row:
    """All checks of one name: how many, how many failed, and the one that comes closest to its limit.

    `absolute`, `relative` and `travelled` are the largest of the kind, each wherever it occurred.
    """

    name: str
    comparisons: int
    failed: int
    closest: Check
    absolute: float
    relative: float
    travelled: float | None


def rows(checks: Iterable[Check]) -> list[Row]:
    """Return one row for each kind of check, in the order in which they came."""
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.name, []).append(check)
    return [_row(name, group) for name, group in groups.items()]


def record(found: Sequence[Row], checks: Sequence[Check]) -> dict[str, Any]:
    """Return rows and checks as plain values; what is only reported has the limit null."""
    return {"passed": all(row.failed == 0 for row in found), "comparisons": len(checks),
            "table": [asdict(row) | {"passed": row.failed == 0, "closest": _plain(row.closest)} for row in found],
            "checks": [_plain(check) for check in checks]}


def table(found: Sequence[Row]) -> str:
    """Return the rows as text: comparisons, the error closest to its limit, where it occurred, the verdict."""
    head = ("check", "comparisons", "error", "limit", "where", "")
    lines = [head, *[(row.name, f"{row.comparisons:,}", _number(row.closest.error), _limit(row), row.closest.part,
                      _verdict(row)) for row in found]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) if 0 < i < 4 else cell.ljust(width)
                               for i, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
                     for line in lines)


def sentence(found: Sequence[Row]) -> str:
    """Say how it went, in one line; what failed stands in it by name."""
    comparisons = sum(row.comparisons for row in found)
    failed = [f"{row.name} ({row.closest.part}: {_number(row.closest.error)} > {_limit(row)})"
              for row in found if row.failed]
    if failed:
        return f"FAILED, {len(failed)} of {len(found)} kinds of check: {'; '.join(failed)}"
    return f"all {comparisons:,} comparisons of {len(found)} kinds are within their limits"


def page(found: Sequence[Row], about: Sequence[str], floor: str = "") -> str:
    """Return a Markdown page; `about` are its paragraphs, `floor` a table in Markdown to follow."""
    lines = ["| check | comparisons | error | limit | largest absolute | largest relative | of the way travelled | "
             "where | |", "|---|---:|---:|---:|---:|---:|---:|---|---|"]
    lines += [f"| {row.name} | {row.comparisons:,} | {_number(row.closest.error)} | {_limit(row)} | "
              f"{_number(row.absolute)} | {_number(row.relative)} | {_number(row.travelled)} | {row.closest.part} | "
              f"{_verdict(row)} |" for row in found]
    parts = [f"# Parity with Keras: {'passed' if not any(row.failed for row in found) else 'FAILED'}",
             sentence(found), *about, "\n".join(lines), *([floor] if floor else [])]
    return "\n\n".join(parts) + "\n"


def _row(name: str, checks: Sequence[Check]) -> Row:
    ways = [check.travelled for check in checks if check.travelled is not None]
    return Row(name, len(checks), sum(not check.passed for check in checks), worst(checks)[name],
               _largest([check.difference.absolute for check in checks]),
               _largest([check.difference.relative for check in checks]), _largest(ways) if ways else None)


def _largest(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


def _plain(check: Check) -> Mapping[str, Any]:
    return asdict(check) | {"passed": check.passed, "limit": check.limit}  # infinity becomes null in JSON


def _number(value: float | None) -> str:
    return "-" if value is None else "0" if value == 0 else f"{value:.2g}"


def _limit(row: Row) -> str:
    return "-" if math.isinf(row.closest.limit) else _number(row.closest.limit)


def _verdict(row: Row) -> str:
    return f"FAILED ({row.failed:,})" if row.failed else "reported" if math.isinf(row.closest.limit) else "passed"
