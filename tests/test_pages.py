"""Tables of results."""

from __future__ import annotations

from lit_mnist.pages import markdown_table


def test_a_cell_stays_one_cell() -> None:
    """Its bars are escaped, and its line breaks leave the row whole."""
    table = markdown_table([("name", "value"), ("a|b", 1), ("two\nlines", None)], numbers=True)
    assert table.splitlines() == [
        "| name | value |",
        "| --- | ---: |",
        r"| a\|b | 1 |",
        "| two lines | None |",
    ]
