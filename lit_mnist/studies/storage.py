"""Storage of trials: a journal file in the study's folder, a database, or Redis."""

from __future__ import annotations

import contextlib
import os
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError

JOURNAL = "journal.log"
HEARTBEAT = 5  # seconds
_ATTEMPTS = 5  # attempts to create tables that another worker creates too
_NEEDED = (
    "studies need Optuna, which is not installed; accepted: an installation with the extra studies "
    "(pip install 'lit-mnist[studies]')"
)
_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")


class StorageError(UserError):
    """A storage that is invalid or cannot be reached."""


def without_password(url: str) -> str:
    """Return a storage's URL without its password."""
    return _PASSWORD.sub(r"\1:***@", url)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide Optuna's notes that a feature is experimental, or that values came from the queue."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def require_optuna() -> Any:
    """Return the module optuna with its log turned down; raise UserError if it is missing."""
    try:
        import optuna
    except ImportError as error:
        raise UserError(_NEEDED) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def check_storage(url: str | None, out: Path) -> None:
    """Raise UserError if a study could not be stored; writes nothing."""
    require_optuna()
    if url is not None:
        close_storage(open_storage(url, out, grace=60))
    elif out.exists() and not out.is_dir():
        raise UserError(f"--out {out}: is a file; accepted: a folder, which is created if missing")


def open_storage(url: str | None, out: Path, grace: int) -> Any:
    """Open the storage at `url`, or the journal file in the folder `out`; raise StorageError.

    A worker in a database counts as dead after `grace` seconds without a heartbeat.
    """
    optuna = require_optuna()
    if url is None:
        return _journal(optuna, out)
    if url.startswith(("redis://", "rediss://", "redis+unix://")):
        return _reached(url, lambda: _redis(optuna, url))
    return _reached(url, lambda: _database(optuna, url, grace))


def close_storage(storage: Any) -> None:
    """Close the connections of a database; other storages have none."""
    if hasattr(storage, "engine"):
        storage.remove_session()
        storage.engine.dispose()


def _database(optuna: Any, url: str, grace: int) -> Any:
    """Open a database; wait while another worker creates its tables."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for left in reversed(range(_ATTEMPTS)):
        try:
            return optuna.storages.RDBStorage(
                url,
                engine_kwargs=_engine(url),
                heartbeat_interval=HEARTBEAT,
                grace_period=grace,
            )
        except (IntegrityError, ProgrammingError):
            if not left:
                raise
            time.sleep(1)
    return None


def _reached(url: str, opened: Any) -> Any:
    try:
        with quiet():
            return opened()
    except ImportError as error:
        raise StorageError(
            f"--storage {without_password(url)}: needs the package {error.name}, which is not "
            "installed"
        ) from error
    except Exception as error:  # each driver has errors of its own
        reason = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise StorageError(
            f"--storage {without_password(url)}: cannot be reached ({without_password(reason)}); "
            "accepted: an address such as postgresql+psycopg://user:password@host/name, "
            "mysql://..., redis://... or sqlite:///file.db, or no --storage for a journal file"
        ) from error


def _redis(optuna: Any, url: str) -> Any:
    storage = optuna.storages.journal.JournalRedisBackend(url)
    return optuna.storages.JournalStorage(storage)


def _engine(url: str) -> dict[str, Any]:
    """Have a connection that has died be noticed and one that cannot be made fail in seconds."""
    arguments = {"connect_timeout": 10} if url.startswith(("postgresql", "mysql")) else {}
    return {"pool_pre_ping": True, "connect_args": arguments}


def _journal(optuna: Any, out: Path) -> Any:
    path = out / JOURNAL
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = _lock(optuna, path)
        _drop_torn_line(path, lock)
        backend = optuna.storages.journal.JournalFileBackend(str(path), lock_obj=lock)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error
    return optuna.storages.JournalStorage(backend)


def _lock(optuna: Any, path: Path) -> Any:
    """Return a lock that the system releases when its holder is killed.

    Optuna's own lock would stay for 30 s; it is used only on file systems without such locks.
    """
    import filelock

    lock = filelock.FileLock(f"{path}.lock", fallback_to_soft=False, preserve_lock_file=True)
    try:
        with lock:
            return lock
    except (OSError, NotImplementedError):
        return optuna.storages.journal.JournalFileOpenLock(str(path))


def _drop_torn_line(path: Path, lock: Any) -> None:
    """Remove a last line that a power failure left incomplete, which would spoil the next entry
    too.
    """
    lock.acquire()
    try:
        with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
                os.fsync(file.fileno())
    finally:
        lock.release()
