"""Progress bars of the commands, on standard error where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass `items` through, with a bar."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(track(items, what, total, console=console, transient=True, disable=not sys.stderr.isatty()))


@contextmanager
def step_bar() -> Iterator[Callable[[int, int], None] | None]:
    """Give what takes (steps done, steps in all) and shows them; None where standard error is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("ascent")
        yield lambda done, total: bar.update(task, completed=done, total=total)
