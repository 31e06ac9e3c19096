"""The list of training runs with their metrics."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import UserError
from ...outcome import Outcome

_SHOWN = ("test/acc", "val/acc_best", "epochs", "dataset", "seed", "images_per_second")


def runs(runs_dir: str = "runs") -> Outcome:
    """List the runs under a folder, oldest first.

    Example: python -m lit_mnist runs

    Args:
        runs_dir: folder that holds all runs.
    """
    folder = Path(runs_dir)
    if not folder.is_dir():
        raise UserError(
            f"--runs_dir {runs_dir}: no such folder; accepted: the folder that holds all runs"
        )
    entries = [
        _run(path.parent)
        for path in sorted(folder.glob("*/*/config.yaml"), key=lambda p: p.stat().st_mtime)
    ]
    lines = [f"{entry['run']:<32} {_metrics(entry)}" for entry in entries]
    return Outcome({"runs": entries}, "\n".join(lines) or f"no runs under {folder}")


def _run(folder: Path) -> dict:
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return {"run": str(folder), "finished": True} | {key: summary.get(key) for key in _SHOWN}
    except (OSError, ValueError, AttributeError):
        return {"run": str(folder), "finished": False}


def _metrics(entry: dict) -> str:
    if not entry["finished"]:
        return "unfinished"
    best = entry["val/acc_best"]
    tested = entry["test/acc"]
    return (
        (f"test {100 * tested:.2f} %  " if tested is not None else "not tested  ")
        + (f"best validation {100 * best:.2f} %  " if best else "")
        + f"{entry['epochs']} epochs  {entry['dataset']}  seed {entry['seed']}"
    )
