"""Progress of the commands on standard error: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import TaskID

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """Yield `items`, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(
        track(items, title, total, console=console, transient=True, disable=not sys.stderr.isatty())
    )


@contextmanager
def timed_bar(command: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function of (units done, all units) that shows both and the time left.

    Without a terminal, each tenth of the work is one line, such as
    ``style: 60 of 300 evaluations, 12 s left``.
    """
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield _tenths(command, unit)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: list[TaskID] = []

        def show(done: int, total: int) -> None:
            if not tasks:  # show no bar before work begins
                tasks.append(bar.add_task(command))
            bar.update(tasks[0], completed=done, total=total or None)

        yield show


def _tenths(command: str, unit: str) -> Callable[[int, int], None]:
    start = time.monotonic()
    shown: set[int] = set()

    def show(done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if tenth and tenth not in shown:
            shown.add(tenth)
            seconds = (time.monotonic() - start) * (total - done) / done
            print(
                f"{command}: {done:,} of {total:,} {unit}, {seconds:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return show


@contextmanager
def work_bar(command: str) -> Iterator[Callable[[str, float, float], None]]:
    """Give a function of (task, work done, all work) that shows them and the time left.

    Without a terminal, each new task is one line.
    """
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield _lines(command)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(command, total=None)
        yield lambda name, done, total: bar.update(
            task, description=f"{command}: {name}", completed=done, total=total
        )


def _lines(command: str) -> Callable[[str, float, float], None]:
    shown: set[str] = set()

    def show(task: str, done: float, total: float) -> None:
        if task not in shown:
            shown.add(task)
            print(f"{command}: {task}", file=sys.stderr, flush=True)

    return show


def note(text: str) -> None:
    """Print a note on standard error."""
    print(f"note: {text}", file=sys.stderr, flush=True)
