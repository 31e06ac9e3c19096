"""A worker of a study whose trainings take no time: ``python -m tests.studies.worker_process OUT
[URL]``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_mnist.studies.description import Setting, Study
from lit_mnist.studies.trial import Report, TrialResult
from lit_mnist.studies.worker import Worker

STUDY = Study("tiny", (Setting("x", ("model.x",), grid=tuple(range(8))),), seeds=(1, 2))


def train(
    study: Study, point: int, values: Mapping[str, Any], report: Report | None
) -> TrialResult:
    """Note that the point was begun; take a moment; note that it has ended."""
    note(f"begin {point}")
    time.sleep(float(os.environ.get("TRAINING_SECONDS", "0.05")))
    note(f"end {point}")
    return TrialResult({str(seed): values["x"] + seed for seed in study.seeds}, {"1": "here"})


def note(line: str) -> None:
    """Append a line to the file that all workers write to."""
    with open(Path(sys.argv[1]) / "notes", "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def worker(out: Path, url: str | None = None, lease: float = 20.0) -> Worker:
    """Return a worker of the tiny study."""
    return Worker(STUDY, {"a": 1}, out, train, url, lease)


if __name__ == "__main__":
    worker(Path(sys.argv[1]), *sys.argv[2:3]).run()
