"""Progress bars of the commands, on standard error where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import TaskID

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass `items` through, with a bar."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(
        track(items, what, total, console=console, transient=True, disable=not sys.stderr.isatty())
    )


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


@contextmanager
def timed_bar(command: str, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give what takes (done, in all) and shows both with the time left.

    Where standard error is no terminal, each tenth of the work is one line, such as
    ``style: 60 of 300 evaluations, 12 s left``.
    """
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield _tenths(command, what)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: list[TaskID] = []

        def show(done: int, total: int) -> None:
            if not tasks:  # nothing is shown before there is work
                tasks.append(bar.add_task(command))
            bar.update(tasks[0], completed=done, total=total or None)

        yield show


def _tenths(command: str, what: str) -> Callable[[int, int], None]:
    start = time.monotonic()
    said: set[int] = set()

    def show(done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if tenth and tenth not in said:
            said.add(tenth)
            left = (time.monotonic() - start) * (total - done) / done
            print(
                f"{command}: {done:,} of {total:,} {what}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return show


@contextmanager
def work_bar(command: str) -> Iterator[Callable[[str, float, float], None]]:
    """Give what takes (what is at work, work done, all work) and shows them with the time left.

    Where standard error is no terminal, each new piece of work is one line.
    """
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield _lines(command)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(command, total=None)
        yield lambda what, done, total: bar.update(
            task, description=f"{command}: {what}", completed=done, total=total
        )


def _lines(command: str) -> Callable[[str, float, float], None]:
    said: set[str] = set()

    def show(what: str, done: float, total: float) -> None:
        if what not in said:
            said.add(what)
            print(f"{command}: {what}", file=sys.stderr, flush=True)

    return show


def note(text: str) -> None:
    """Say something on standard error."""
    print(f"note: {text}", file=sys.stderr, flush=True)
