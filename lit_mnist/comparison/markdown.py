"""Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(lines: Sequence[Sequence[object]], numbers: bool = False) -> str:
    """Return lines of cells as a Markdown table; the first line is its head.

    With `numbers`, all columns but the first are aligned to the right.
    """
    head, *rest = lines
    rule = ["---", *["---:" if numbers else "---"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (head, rule, *rest))
