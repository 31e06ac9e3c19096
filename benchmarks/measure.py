"""Fair timings: cases take turns (A B C A B C ...), so that a slow minute affects all of them."""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_mnist.environment import hardware, versions
from lit_mnist.errors import UserError
from lit_mnist.files import write_json, write_text
from lit_mnist.pages import markdown_table
from lit_mnist.runs.folder import SUMMARY


def summary_of(run: Path) -> dict[str, Any]:
    """Return the summary of a finished run; raise UserError where none can be read."""
    try:
        return json.loads((run / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{run}: no readable {SUMMARY} ({error}); accepted: the folder of a finished run"
        ) from error


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one case."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.median:.4g} s ({min(self.seconds):.4g} to {max(self.seconds):.4g})"


class TimedProcess:
    """A Python module in a process of its own, which waits while others are timed.

    It answers each line of its input with the seconds of one round. `environment` is the
    process's, without it that of this one.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.seconds: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def take(self) -> None:
        """Run one round there and keep its seconds."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked and answers  # both are pipes
        asked.write("go\n")
        asked.flush()
        self.seconds.append(float(answers.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


@dataclass(frozen=True)
class Report:
    """The result of a benchmark: a title, one row per case (with equal keys), and the method."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    notes: str
    rounds: int


def interleaved(
    cases: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, Timing]:
    """Time every case `rounds` times in turns, after `warm_up` rounds that do not count.

    A case returns only when its work is done: on a GPU it ends with a synchronisation.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(warm_up + rounds):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def ratios(timings: Mapping[str, Timing], base: str) -> dict[str, float]:
    """Return each case's time over that of `base`: the median of the rounds' own ratios."""
    return {
        name: statistics.median(
            a / b for a, b in zip(timing.seconds, timings[base].seconds, strict=True)
        )
        for name, timing in timings.items()
    }


def conditions() -> dict[str, Any]:
    """Return hardware, versions, threads, load and date of the measurement."""
    result: dict[str, Any] = {
        **hardware(),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }
    try:
        import torch

        result["threads"] = torch.get_num_threads()
    except ImportError:
        pass
    if hasattr(os, "getloadavg"):
        result["load_before"] = round(os.getloadavg()[0], 2)
    return result


def markdown(report: Report, conditions: Mapping[str, Any], command: str) -> str:
    """Return the report as a Markdown section: table, conditions, and the command."""
    head = list(report.rows[0])
    table = [head, *([_cell(row[key]) for key in head] for row in report.rows)]
    lines = [f"# {report.title}", "", markdown_table(table)]
    where = "; ".join(f"{key} {value}" for key, value in conditions.items() if key != "versions")
    which = ", ".join(f"{name} {version}" for name, version in conditions["versions"].items())
    lines += [
        "",
        f"{report.notes} Median of {report.rounds} interleaved rounds (smallest to largest).",
        "",
        f"Measured on: {where}.",
        "",
        f"Versions: {which}.",
        "",
        f"Again: `{command}`",
        "",
    ]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write(
    name: str, report: Report, conditions: Mapping[str, Any], command: str, out: Path
) -> list[Path]:
    """Write ``NAME.json`` and ``NAME.md`` into `out` and return their paths."""
    rows = [
        {
            key: list(value.seconds) if isinstance(value, Timing) else value
            for key, value in row.items()
        }
        for row in report.rows
    ]
    content = {
        "title": report.title,
        "notes": report.notes,
        "rounds": report.rounds,
        "rows": rows,
        "conditions": conditions,
        "command": command,
    }
    return [
        write_json(out / f"{name}.json", content),
        write_text(out / f"{name}.md", markdown(report, conditions, command)),
    ]
