"""Detection of dead workers: by locks and leases beside a journal, by heartbeats in a database."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import filelock

from .storage import HEARTBEAT, quiet, require_optuna


class Liveness(Protocol):
    """Distinguishes trials in training from trials whose worker has died."""

    def claiming(self) -> contextlib.AbstractContextManager[Any]:
        """Exclude other workers of this machine while a trial is taken and its lock is made."""
        ...

    def hold(self, number: int, trial_id: int) -> contextlib.AbstractContextManager[Any]:
        """Mark the trial as trained by this process, until the context or the process ends."""
        ...

    def dead(self, trials: list[Any]) -> list[Any]:
        """Return those of the `running` trials that no process trains; called while `claiming`."""
        ...


class FolderLiveness:
    """Locks and leases in a folder: while trial 7 is trained, ``trial-7.lock`` is locked and
    touched.

    On the machine of the worker, the lock shows at once whether the worker lives. Other machines of
    a shared file system use the age of the lock: it expires `lease` seconds after the last touch,
    by the file system's clock.
    """

    def __init__(self, folder: Path, lease: float) -> None:
        self.folder = folder
        self.lease = lease
        self.host = socket.gethostname()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"host-{self.host}").touch()
        self._claim = _native_lock(folder / "claim.lock")

    def claiming(self) -> contextlib.AbstractContextManager[Any]:
        """Hold the folder's lock."""
        return self._claim

    @contextlib.contextmanager
    def hold(self, number: int, trial_id: int) -> Iterator[None]:
        """Lock the trial's file, write this machine's name into it, and touch it every few
        seconds.
        """
        path = self._path(number)
        with _native_lock(path):
            path.with_suffix(".host").write_text(self.host, encoding="utf-8")
            with _repeated(lambda: os.utime(path)):
                yield

    def dead(self, trials: list[Any]) -> list[Any]:
        """Return the trials whose lock is free on this machine, or has expired on another."""
        now = self._now()
        return [trial for trial in trials if self._is_dead(trial, now)]

    def _is_dead(self, trial: Any, now: float) -> bool:
        path = self._path(trial.number)
        try:
            host = path.with_suffix(".host").read_text(encoding="utf-8")
            touched = path.stat().st_mtime
        except OSError:  # its worker died before it locked the file
            alone = [each.name for each in self.folder.glob("host-*")] == [f"host-{self.host}"]
            return alone or time.time() - trial.datetime_start.timestamp() > self.lease
        if host == self.host:
            return not _is_locked(path)
        return now - touched > self.lease

    def _path(self, number: int) -> Path:
        return self.folder / f"trial-{number}.lock"

    def _now(self) -> float:
        """Return the time by the clock that stamps the folder's files, which may be another
        machine's.
        """
        path = self.folder / f"host-{self.host}"
        path.touch()
        return path.stat().st_mtime


class HeartbeatLiveness:
    """Heartbeats in a database: a trial without one for the storage's grace period is dead."""

    def __init__(self, storage: Any, study: Any) -> None:
        self.storage = storage
        self.study = study

    def claiming(self) -> contextlib.AbstractContextManager[Any]:
        """Do nothing: the database gives out each trial only once."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def hold(self, number: int, trial_id: int) -> Iterator[None]:
        """Record a heartbeat now and every few seconds."""
        self.storage.record_heartbeat(trial_id)
        with _repeated(lambda: self.storage.record_heartbeat(trial_id)):
            yield

    def dead(self, trials: list[Any]) -> list[Any]:
        """Let Optuna end the trials whose last heartbeat is too old; return those without any
        heartbeat.
        """
        with quiet():
            require_optuna().storages.fail_stale_trials(self.study)
        return [trial for trial in trials if self._is_silent(trial)]

    def _is_silent(self, trial: Any) -> bool:
        """Whether a worker died between taking a trial and its first heartbeat."""
        return (
            "worker" not in trial.user_attrs
            and time.time() - trial.datetime_start.timestamp() > 10 * HEARTBEAT
        )


class RedisLiveness(HeartbeatLiveness):
    """Leases in the study itself, for a storage that has neither a folder nor heartbeats."""

    def __init__(self, storage: Any, study: Any, lease: float) -> None:
        super().__init__(storage, study)
        self.lease = lease

    @contextlib.contextmanager
    def hold(self, number: int, trial_id: int) -> Iterator[None]:
        """Write the time into the trial now and every few seconds."""

        def renew() -> None:
            self.storage.set_trial_user_attr(trial_id, "lease", time.time())

        renew()
        with _repeated(renew):
            yield

    def dead(self, trials: list[Any]) -> list[Any]:
        """Return the trials whose lease has run out."""
        now = time.time()
        return [
            trial
            for trial in trials
            if now - trial.user_attrs.get("lease", trial.datetime_start.timestamp()) > self.lease
        ]


@contextlib.contextmanager
def _repeated(action: Any) -> Iterator[None]:
    """Call `action` every few seconds in a thread of its own; a failure is tried again."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(HEARTBEAT):
            with contextlib.suppress(Exception):
                action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _native_lock(path: Path) -> filelock.BaseFileLock:
    """Return the system's own lock, which is free once its holder has died."""
    return filelock.FileLock(
        path, thread_local=False, fallback_to_soft=False, preserve_lock_file=True
    )


def _is_locked(path: Path) -> bool:
    lock = _native_lock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return True
    lock.release()
    return False
