"""The results of a parity run by kind of check: record, table for a terminal, Markdown page."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...pages import markdown_table
from .checks import Check, worst


@dataclass(frozen=True)
class Row:
    """All checks of one name: how many, how many failed, and the one closest to its limit.

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


def record(rows: Sequence[Row], checks: Sequence[Check]) -> dict[str, Any]:
    """Return rows and checks as plain values; without a limit it is null."""
    return {
        "passed": all(row.failed == 0 for row in rows),
        "comparisons": len(checks),
        "table": [
            asdict(row) | {"passed": row.failed == 0, "closest": _plain(row.closest)}
            for row in rows
        ],
        "checks": [_plain(check) for check in checks],
    }


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text: number of comparisons, largest error, its place, verdict."""
    head = ["check", "comparisons", "error", "limit", "where", ""]
    return aligned(
        [
            head,
            *[[*_cells(row), row.closest.part, _verdict(row)] for row in rows],
        ],
        numbers=range(1, 4),
    )


def sentence(rows: Sequence[Row]) -> str:
    """Return the result in one line, with failed checks by name."""
    comparisons = sum(row.comparisons for row in rows)
    failed = [
        f"{row.name} ({row.closest.part}: {number(row.closest.error)} > "
        f"{finite(row.closest.limit)})"
        for row in rows
        if row.failed
    ]
    if failed:
        return f"FAILED, {len(failed)} of {len(rows)} kinds of check: {'; '.join(failed)}"
    return f"all {comparisons:,} comparisons of {len(rows)} kinds are within their limits"


def page(
    rows: Sequence[Row], about: Sequence[str], floor: Sequence[Sequence[str]] | None = None
) -> str:
    """Return a Markdown page; `about` are its paragraphs, `floor` the lines of a second table."""
    head = [
        "check",
        "comparisons",
        "error",
        "limit",
        "largest absolute",
        "largest relative",
        "of the way travelled",
        "where",
        "verdict",
    ]
    lines = [
        head,
        *[
            [
                *_cells(row),
                *map(finite, (row.absolute, row.relative, row.travelled)),
                row.closest.part,
                _verdict(row),
            ]
            for row in rows
        ],
    ]
    parts = [
        f"# Parity with Keras: {'FAILED' if any(row.failed for row in rows) else 'passed'}",
        sentence(rows),
        *about,
        markdown_table(lines),
        *([markdown_table(floor)] if floor else []),
    ]
    return "\n\n".join(parts) + "\n"


def aligned(lines: Sequence[Sequence[str]], numbers: Container[int]) -> str:
    """Return lines of cells in columns, `numbers` aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def number(value: float | None) -> str:
    """Return two digits of `value`, all of a count, a dash where there is none."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def finite(value: float | None) -> str:
    """Return `value` as `number` does, a dash for infinity: no limit, or relative to nothing."""
    return number(None if value == math.inf else value)


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        f"{row.comparisons:,}",
        number(row.closest.error),
        finite(row.closest.limit),
    ]


def _row(name: str, checks: Sequence[Check]) -> Row:
    ways = [check.travelled for check in checks if check.travelled is not None]
    return Row(
        name,
        len(checks),
        sum(not check.passed for check in checks),
        worst(checks)[name],
        _largest([check.difference.absolute for check in checks]),
        _largest([check.difference.relative for check in checks]),
        _largest(ways) if ways else None,
    )


def _largest(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


def _plain(check: Check) -> Mapping[str, Any]:
    return asdict(check) | {
        "passed": check.passed,
        "limit": check.limit,
    }  # infinity becomes null in JSON


def _verdict(row: Row) -> str:
    if row.failed:
        return f"FAILED ({row.failed:,})"
    return "reported" if math.isinf(row.closest.limit) else "passed"
