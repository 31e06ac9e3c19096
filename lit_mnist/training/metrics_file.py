"""``metrics.csv``: a logger that resumes its file, each row once."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from ..files import write_text


class MetricsFile(Logger):
    """Writes a row per call of `log_metrics`, with a column for every metric seen so far.

    A run that resumes at optimiser step `resumed_at` keeps the rows up to that step and drops later
    ones, which will be written again. Rows reach the file when `save` is called: before every
    checkpoint, so that the file has every row up to the checkpoint.
    """

    def __init__(self, folder: Path, resumed_at: int | None = None) -> None:
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self._resumed_at = resumed_at
        self._rows = []
        self._keys = []
        self._written = 0  # rows that the file holds
        self._loaded = False

    @property
    def name(self) -> str:
        """Name of the configuration."""
        return self.path.parent.parent.name

    @property
    def version(self) -> str:
        """Name of the run's folder."""
        return self.path.parent.name

    @property
    def save_dir(self) -> str:
        """Folder of all runs."""
        return str(self.path.parent.parent.parent)

    @property
    def log_dir(self) -> str:
        """The run's folder."""
        return str(self.path.parent)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: ``config.yaml`` holds the settings."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        self._load()
        row = {"step": step} | {
            key: float(value) if key != "epoch" else int(value)
            for key, value in metrics.items()
            if key != "step"
        }
        new = [key for key in row if key not in self._keys]
        if new:
            self._keys += new
            self._written = 0  # the header changes: the file is written anew
        self._rows.append(row)

    @rank_zero_only
    def save(self) -> None:
        """Write the rows that the file lacks."""
        self._load()
        if len(self._rows) == self._written:
            return
        if self._written:
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                self._write(file, self._rows[self._written :])
        else:
            text = io.StringIO()
            csv.DictWriter(text, self._keys, lineterminator="\n").writeheader()
            self._write(text, self._rows)
            write_text(self.path, text.getvalue())
        self._written = len(self._rows)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the remaining rows."""
        self.save()

    def _write(self, file: Any, rows: list[dict[str, Any]]) -> None:
        csv.DictWriter(file, self._keys, lineterminator="\n").writerows(rows)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        if self._resumed_at is None or not self.path.is_file():
            return
        with open(self.path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            self._keys = list(reader.fieldnames or [])
            self._rows = [
                {key: value for key, value in row.items() if value != ""}
                for row in reader
                if _kept(row, self._resumed_at)
            ]


def _kept(row: Mapping[str, str | None], last: int) -> bool:
    """Return whether a row is complete, not after step `last`, and not a test's.

    A killed process may leave half a line.
    """
    step = row.get("step")
    if None in row or None in row.values() or step is None or not step.isdigit():
        return False
    return int(step) <= last and not row.get("test/acc")
