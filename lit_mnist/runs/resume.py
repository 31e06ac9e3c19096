"""Which run a repeated ``fit`` command goes on with, and the lock that keeps two processes out of one run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from .checkpoint import LAST, PREVIOUS, CheckpointError, read_newest
from .model import RECORD

LOCK = ".lock"
# What may differ between the two commands: where things lie and what is shown, not what is computed.
_ASIDE = {"resume", "runs_dir", "name", "config", "ckpt_path", "checkpoint_every_seconds", "checkpoint_every_steps"}
_ASIDE_OF = {"trainer": {"enable_progress_bar", "default_root_dir", "profiler", "enable_model_summary"},
             "data": {"root", "download"}, "model": {"cuda_graphs"}}


class ResumeError(UserError):
    """A run that cannot be gone on with."""


@dataclass(frozen=True)
class Unfinished:
    """A run that was cut off: its folder, and its newest readable checkpoint."""

    run: Path
    checkpoint: Path
    content: dict[str, Any]


def configuration_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all settings that decide what is computed."""
    kept = {key: {k: v for k, v in value.items() if k not in _ASIDE_OF.get(key, ())} if isinstance(value, Mapping)
            else value for key, value in config.items() if key not in _ASIDE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def find_unfinished(runs_dir: Path, name: str, config: Mapping[str, Any]) -> tuple[Unfinished | None, list[str]]:
    """Return the newest unfinished run of configuration `name` whose settings equal `config`, and remarks to show.

    A run is unfinished while it has no ``summary.json``. Runs that another process trains, and runs whose
    checkpoints are all damaged, are passed over with a remark.
    """
    wanted = configuration_hash(config)
    remarks: list[str] = []
    for run in sorted((runs_dir / name).glob("version_*"), key=_version, reverse=True):
        folder = run / "checkpoints"
        if (run / "summary.json").exists() or not any((folder / file).is_file() for file in (LAST, PREVIOUS)):
            continue
        if is_locked(run):
            remarks.append(f"{run} is being trained by another process")
            continue
        try:
            path, content, damage = read_newest(folder)
        except CheckpointError as error:
            remarks.append(f"{run} cannot be gone on with: {error}")
            continue
        if configuration_hash(content.get(RECORD, {}).get("config") or {}) == wanted:
            remarks += [f"{damage}; going on with {path.name}, the state before it"] if damage else []
            return Unfinished(run, path, content), remarks
    return None, remarks


def take_abandoned(runs_dir: Path, name: str) -> str | None:
    """Return the name of the newest run folder, emptied, where a process died in it before it had saved anything."""
    runs = sorted((runs_dir / name).glob("version_*"), key=_version)
    if not runs or not (runs[-1] / LOCK).is_file():
        return None
    try:
        lock = Lock(runs[-1])
    except ResumeError:
        return None
    try:
        kept = [runs[-1] / "summary.json", runs[-1] / "metrics.csv", *runs[-1].glob("checkpoints/*.ckpt")]
        if any(path.exists() for path in kept):
            return None
        for path in runs[-1].iterdir():
            if path.name != LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        lock.release()
    return runs[-1].name


def is_locked(run: Path) -> bool:
    """Whether a process is training in the folder."""
    try:
        descriptor = os.open(run / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


class Lock:
    """Holds a run's folder for this process; the system lets go of it whatever ends the process."""

    def __init__(self, run: Path) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise ResumeError(f"{run}: another process is training in this folder; wait for it, or start a run of "
                              "your own with --resume false") from error

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def _version(run: Path) -> int:
    number = run.name.removeprefix("version_")
    return int(number) if number.isdigit() else -1
