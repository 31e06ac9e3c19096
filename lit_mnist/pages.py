"""Tables in Markdown, and small HTML pages in one file: the forms in which results are written."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}
img{max-width:100%}
code{background:#f4f4f4;padding:.1rem .3rem;overflow-wrap:anywhere}
"""


def markdown_table(lines: Sequence[Sequence[object]], numbers: bool = False) -> str:
    """Return lines of cells as a Markdown table; the first line is its head.

    With `numbers`, all columns but the first are aligned to the right. A cell's ``|`` is escaped,
    and its line breaks become spaces.
    """
    head, *rest = lines
    rule = ["---", *["---:" if numbers else "---"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in (head, rule, *rest))


def _cell(value: object) -> str:
    return " ".join(str(value).splitlines()).replace("|", "\\|")


def html_table(lines: Iterable[Sequence[object]]) -> str:
    """Return lines of cells as an HTML table; the first line is its head."""
    rows = []
    for number, line in enumerate(lines):
        tag = "td" if number else "th"
        cells = (f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in line)
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"


def html_image(name: str, png: bytes) -> str:
    """Return an image that the page itself contains."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'


def html_page(title: str, body: str) -> str:
    """Return a page that needs no other file."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>\n{body}\n</body></html>\n"
    )
