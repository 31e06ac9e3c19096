"""Run folders ``<runs_dir>/<name>/version_N``: how one is claimed, and what is in it; no torch."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ..files import WriteError, expand
from .lock import LOCK, Lock, LockedError

CONFIG = "config.yaml"
SUMMARY = "summary.json"
METRICS = "metrics.csv"
CHECKPOINTS = "checkpoints"
_PREFIX = "version_"


def versions(folder: Path) -> list[Path]:
    """Return the run folders ``version_N`` in `folder`, in the order of their numbers."""
    return sorted((run for run in folder.glob(f"{_PREFIX}*") if _number(run) >= 0), key=_number)


def find_run(path: str | Path) -> Path:
    """Return the expanded `path`; for a folder of versions, its newest finished run, and say so.

    If none is finished, it is the newest one with a checkpoint.
    """
    folder = expand(path)
    if not folder.is_dir() or (folder / CHECKPOINTS).is_dir():
        return folder
    runs = [run for run in versions(folder) if any((run / CHECKPOINTS).glob("*"))]
    finished = [run for run in runs if (run / SUMMARY).is_file()]
    if not runs:
        return folder
    run, which = (finished[-1], "newest finished") if finished else (runs[-1], "newest, unfinished")
    print(f"opening {run}, the {which} version in {folder}", file=sys.stderr, flush=True)
    return run


def names_in(folder: Path) -> list[str]:
    """Return the names of the configurations with runs in `folder`."""
    return sorted({path.parent.name for path in folder.glob(f"*/{_PREFIX}*")})


def run_of(checkpoint: Path) -> Path | None:
    """Return the run folder of a checkpoint, or None."""
    folder = checkpoint.parent if checkpoint.parent.name else checkpoint.absolute().parent
    run = folder.parent
    return run if folder.name == CHECKPOINTS and (run / CONFIG).is_file() else None


def claim_version(folder: Path) -> Path:
    """Make the next ``version_N`` in `folder` and return it; no two processes get the same one.

    Raises WriteError naming the folder and the reason.
    """
    number = max(map(_number, versions(folder)), default=-1) + 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            run = folder / f"{_PREFIX}{number}"
            try:
                run.mkdir()
                return run
            except FileExistsError:  # another process was faster
                number += 1
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written ({error.strerror or error})") from error


def claim_run(folder: Path) -> tuple[Path, Lock]:
    """Return a run folder for a new training, and the lock that holds it.

    It is the newest folder if its process died before the first save, else a new one.
    """
    if (abandoned := take_abandoned(folder)) is not None:
        return abandoned
    while True:
        run = claim_version(folder)
        try:
            return run, Lock(run)
        except LockedError:  # taken for an abandoned one by another process
            continue


def take_abandoned(folder: Path) -> tuple[Path, Lock] | None:
    """Return the newest run, emptied, and its lock, if it was abandoned.

    A run is abandoned if its process died before the first save.
    """
    runs = versions(folder)
    if not runs or not (runs[-1] / LOCK).is_file():
        return None
    run = runs[-1]
    try:
        lock = Lock(run)
    except (LockedError, OSError):
        return None
    kept = [run / SUMMARY, run / METRICS, *run.glob(f"{CHECKPOINTS}/*.ckpt")]
    if not lock.held or any(path.exists() for path in kept):
        lock.release()
        return None
    for path in run.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return run, lock


def _number(run: Path) -> int:
    number = run.name.removeprefix(_PREFIX)
    return int(number) if number.isdecimal() else -1
