"""``python -m benchmarks waiting RUN [--rounds N] [--quick] [--page FILE]``: waits for commands.

Every command is a whole process. Each round starts with fresh copies of the run, in which nothing
is kept; the user's cache is an empty folder. Beside wall time stands processor time, which other
programs on the machine lengthen less.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_mnist.data.dataset import default_root
from lit_mnist.errors import UserError, need_whole
from lit_mnist.files import write_text
from lit_mnist.inside.kept import FOLDER

from .measure import Report, Timing, conditions, markdown, summary_of, write

_START, _END = "<!-- benchmarks waiting: table -->", "<!-- benchmarks waiting: end -->"
_EXPLAIN = ("explain", "--images", "test:19")
_REPORT = ("report",)
_TOP_IMAGES = ("top_images",)
_QUIET = 1.0  # load of a machine before the first round on which goals are judged
_IMPORTS = "importing torch, captum and matplotlib"


@dataclass(frozen=True)
class Case:
    """A command, run in copy `copy` of the run after the cases before it; `goal` in seconds."""

    name: str
    copy: str
    command: tuple[str, ...]
    goal: float
    beyond_imports: bool = False


CASES = (
    Case("explain --images test:19, first", "explained", _EXPLAIN, 25),
    Case("explain --images test:19, second", "explained", _EXPLAIN, 6, beyond_imports=True),
    Case("report, verdicts on record", "explained", _REPORT, 12),
    Case("report, everything on record", "explained", _REPORT, 12),
    Case("report, nothing kept", "reported", _REPORT, 25),
    Case("top_images of the last convolution, first", "ranked", _TOP_IMAGES, 8),
    Case("top_images of the last convolution, second", "ranked", _TOP_IMAGES, 8),
)


@dataclass
class Times:
    """Wall time, processor time and the load before, of each round."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    """Measure the run, print the table, write it and the page; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks waiting", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("run", type=Path, help="folder of a finished run, which is not changed")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--quick", action="store_true", help="a smoke test: one round, few digits")
    parser.add_argument("--out", default="out/benchmarks", help="folder for JSON and Markdown")
    parser.add_argument("--page", type=Path, help="also put the table into this page's section")
    options = parser.parse_args(argv)
    rounds = 1 if options.quick else options.rounds
    command = f"python -m benchmarks waiting RUN --rounds {rounds}" + " --quick" * options.quick
    where = conditions()
    try:
        need_whole("--rounds", rounds)
        report = run(options.run, rounds, options.quick)
        paths = write("waiting", report, where, command, Path(options.out))
        text = markdown(report, where, command)
        if options.page:
            paths.append(write_text(options.page, with_section(options.page, text)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    print("written: " + ", ".join(map(str, paths)), file=sys.stderr)
    return 0


def run(trained: Path, rounds: int, quick: bool = False) -> Report:
    """Time every case in `rounds` rounds on copies of the run folder `trained`."""
    fit = fit_times(trained)
    times: dict[str, Times] = defaultdict(Times)
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            _round(trained, Path(folder), quick, times, number)
    return Report("Commands, whole processes", rows(times), _notes(fit), rounds)


def _round(trained: Path, folder: Path, quick: bool, times: dict[str, Times], number: int) -> None:
    own = {"LIT_MNIST_DATA": str(default_root()), "XDG_CACHE_HOME": str(folder / "cache")}
    environment = {**os.environ, **own}
    imports = ["-c", "import torch, captum.attr, matplotlib.figure"]
    _timed(Times(), imports, environment)  # matplotlib writes its list of fonts into a new cache
    _timed(times[_IMPORTS], imports, environment)
    for case in CASES:
        copy = folder / case.copy
        if not copy.exists():
            shutil.copytree(trained, copy, ignore=shutil.ignore_patterns(FOLDER))
        out = ["--out", str(folder / f"out_{case.command[0]}")]
        few = ["--verdict_digits", "2"] if quick and case.command != _TOP_IMAGES else []
        name, *rest = case.command
        arguments = ["-m", "lit_mnist", name, "--ckpt_path", str(copy), *rest, *out, *few]
        print(f"round {number + 1}: {case.name}", file=sys.stderr)
        _timed(times[case.name], arguments, environment)


def _timed(times: Times, arguments: list[str], environment: Mapping[str, str]) -> None:
    times.load.append(os.getloadavg()[0])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True
    )
    times.wall.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    times.processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if done.returncode:
        raise UserError(f"python {' '.join(arguments)}: exit code {done.returncode}: {done.stderr}")


def rows(times: Mapping[str, Times]) -> list[dict[str, Any]]:
    """Return the table: each case's times beside its goal."""
    first = times[_IMPORTS]
    imports = statistics.median(first.wall)
    quiet = first.load[0] <= _QUIET  # later loads are the benchmark's own
    goals = {case.name: case for case in CASES}
    return [_row(name, one, goals.get(name), imports, quiet) for name, one in times.items()]


def _row(name: str, times: Times, case: Case | None, imports: float, quiet: bool) -> dict[str, Any]:
    row = {
        "command": name,
        "wall": Timing(tuple(times.wall)),
        "processor": Timing(tuple(times.processor)),
        "load before": f"{min(times.load):.1f} to {max(times.load):.1f}",
        "goal": "–",
        "result": "–",
    }
    if case is None:
        return row
    beyond = " beyond the imports" if case.beyond_imports else ""
    limit = case.goal + (imports if case.beyond_imports else 0)
    result = "met" if statistics.median(times.wall) <= limit else "missed"
    goal = f"{case.goal:g} s{beyond}"
    return row | {"goal": goal, "result": result if quiet else "not judged: busy machine"}


def fit_times(trained: Path) -> dict[str, float]:
    """Return `wall`, `train` and `epochs` of the run; raise UserError where it has no summary."""
    summary = summary_of(trained)
    return {
        "wall": summary["wall_seconds"],
        "train": summary["train_seconds"],
        "epochs": summary["epochs"],
    }


def _notes(fit: Mapping[str, float]) -> str:
    return (
        "Each round in fresh copies of one run, with an empty cache; goals are for two quiet "
        f"cores. `fit` of this run, from its summary: {fit['wall']:.1f} s for {fit['epochs']} "
        f"epochs, of which {fit['train']:.1f} s are training: ratio "
        f"{fit['wall'] / fit['train']:.2f} (goal for twelve epochs of cnn.yaml: 1.35)."
    )


def with_section(page: Path, section: str) -> str:
    """Return the text of `page` with the table between its two marks replaced by `section`."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{page}: cannot be read ({error})") from error
    before, start, rest = text.partition(_START)
    _, end, after = rest.partition(_END)
    if not start or not end:
        raise UserError(f"{page}: without a section; accepted: a page with {_START} and {_END}")
    return f"{before}{start}\n\n##{section}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
