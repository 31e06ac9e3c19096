"""Which run a repeated ``fit`` command resumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checkpoint import LAST, PREVIOUS, CheckpointError, read_newest
from .folder import CHECKPOINTS, SUMMARY, versions
from .lock import is_locked
from .record import RECORD

# Settings that may differ between the two commands, since they do not change the results.
_NOT_COMPARED = {
    "resume",
    "test",
    "runs_dir",
    "name",
    "config",
    "ckpt_path",
    "checkpoint_every_seconds",
    "checkpoint_every_steps",
}
_NOT_COMPARED_IN = {
    "trainer": {"enable_progress_bar", "default_root_dir", "profiler", "enable_model_summary"},
    "data": {"root", "download", "mirror", "memory_fraction"},
    "model": {"cuda_graphs"},
}


@dataclass(frozen=True)
class Unfinished:
    """An interrupted run: its folder, and its newest readable checkpoint."""

    run: Path
    checkpoint: Path
    content: dict[str, Any]


def configuration_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all settings that change the results."""
    kept = {
        key: {k: v for k, v in value.items() if k not in _NOT_COMPARED_IN.get(key, ())}
        if isinstance(value, Mapping)
        else value
        for key, value in config.items()
        if key not in _NOT_COMPARED
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def find_unfinished(
    runs_dir: Path,
    name: str,
    config: Mapping[str, Any],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> tuple[Unfinished | None, list[str]]:
    """Return the newest unfinished run of `name` with the settings `config`, and remarks to print.

    A run is unfinished while it has no ``summary.json``. `complete` adds to a run's settings the
    defaults of those that an older release did not have. Runs that another process trains, and runs
    whose checkpoints are all damaged, are skipped with a remark.
    """
    expected = configuration_hash(config)
    remarks: list[str] = []
    for run in reversed(versions(runs_dir / name)):
        folder = run / CHECKPOINTS
        if (run / SUMMARY).exists() or not any(
            (folder / file).is_file() for file in (LAST, PREVIOUS)
        ):
            continue
        if is_locked(run):
            remarks.append(f"{run} is being trained by another process")
            continue
        try:
            path, content, damage = read_newest(folder)
        except CheckpointError as error:
            remarks.append(f"{run} cannot be resumed: {error}")
            continue
        kept = complete(content.get(RECORD, {}).get("config") or {})
        if configuration_hash(kept) == expected:
            remarks += (
                [f"{damage}; resuming from {path.name}, the state before it"] if damage else []
            )
            return Unfinished(run, path, content), remarks
    return None, remarks
