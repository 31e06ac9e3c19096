"""The lock that keeps two processes out of one run folder; needs no torch."""

from __future__ import annotations

import errno
import functools
import sys
from pathlib import Path

import filelock

from ..errors import UserError

LOCK = ".lock"
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # some network and FUSE file systems


class LockedError(UserError):
    """A run folder in which another process is training."""


class Lock:
    """Holds a run folder for this process; the system releases it when the process ends.

    If the file system has no locks, `held` is False, with one warning. Raises LockedError if
    another process holds the folder, OSError if the lock file cannot be created.
    """

    def __init__(self, run: Path) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self._lock = _native_lock(run)
        self.held = True
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise LockedError(
                f"{run}: another process is training in this folder; wait for it, or start a run "
                "of your own with --resume false"
            ) from error
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self.held = False
            _warn_once(run, error.strerror)

    def release(self) -> None:
        """Release the folder."""
        self._lock.release()


def is_locked(run: Path) -> bool:
    """Return whether a process is training in the folder; False if the file system has no locks."""
    if not (run / LOCK).is_file():
        return False
    lock = _native_lock(run)
    try:
        lock.acquire()
    except filelock.Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _native_lock(run: Path) -> filelock.BaseFileLock:
    """Return the operating system's lock.

    Filelock's lock by a file's existence would outlive a killed process.
    """
    return filelock.FileLock(
        run / LOCK,
        blocking=False,
        thread_local=False,
        fallback_to_soft=False,
        preserve_lock_file=True,
    )


@functools.cache
def _warn_once(run: Path, reason: str) -> None:
    print(
        f"WARNING: {run}: this file system has no locks ({reason}); training continues without "
        "one, so do not train in this folder from a second process",
        file=sys.stderr,
        flush=True,
    )
