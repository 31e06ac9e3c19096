"""Reading of a run's files for a report, which may be missing or unreadable."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any


def epoch_history(run: Path, summary: dict[str, Any]) -> dict[str, list[float]]:
    """Return the metrics by epoch, from ``metrics.csv``, which exists during training, else from
    the summary.
    """
    columns: dict[str, list[float]] = {}
    try:
        with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for key in ("train/acc", "val/acc", "train/loss", "val/loss"):
                    if row.get(key):
                        columns.setdefault(key.replace("/", "_"), []).append(float(row[key]))
    except (OSError, ValueError, csv.Error):
        columns = {}
    epochs = len(columns.get("train_loss", ()))
    if not epochs:
        return {  # None stands for an epoch without validation
            key: [math.nan if value is None else value for value in values]
            for key, values in (summary.get("history") or {}).items()
            if values
        }
    complete = {key: values for key, values in columns.items() if len(values) == epochs}
    numbers: list[float] = list(range(1, epochs + 1))
    return {"epochs": numbers} | complete


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file; empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_text(path: Path) -> str:
    """Return the text of a file; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
