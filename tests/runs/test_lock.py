"""The lock of a run folder, and the systems that refuse it."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
from pathlib import Path

import pytest

from lit_mnist.files import write_bytes
from lit_mnist.runs.lock import Lock, LockedError, is_locked
from tests.conftest import ROOT, Run
from tests.forked import CONFIG

POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "posix"}


def refuse(monkeypatch: pytest.MonkeyPatch, module: object, name: str, number: int) -> None:
    def refused(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, name, refused)


def test_a_locked_folder_is_refused_and_then_free(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "run")
    assert is_locked(tmp_path / "run")
    with pytest.raises(LockedError, match="another process"):
        Lock(tmp_path / "run")
    lock.release()
    assert not is_locked(tmp_path / "run") and not is_locked(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_training_goes_on_and_says_so_once(
    number: int, tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail: "another process is training in this folder", and an empty version left behind
    each time.
    """
    refuse(monkeypatch, fcntl, "flock", number)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path / "runs",
        "--trainer.max_epochs",
        1,
        "--trainer.limit_train_batches",
        2,
    )
    assert code == 0, err
    assert err.count("no locks") == 1 and os.strerror(number) in err, err
    assert not is_locked(tmp_path / "runs/tiny/version_0")


def test_what_windows_refuses_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows opens no folders as files: files are written all the same, and whole."""
    opened = os.open

    def without_folders(path: str, *args: int, **options: int) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return opened(path, *args, **options)

    monkeypatch.setattr(os, "open", without_folders)
    assert write_bytes(tmp_path / "new/file", b"content").read_bytes() == b"content"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_folders_that_cannot_be_synced_are_left_so(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    assert write_bytes(tmp_path / "file", b"content").read_bytes() == b"content"


def test_nothing_is_imported_that_windows_lacks() -> None:
    """Seen to fail: ``fcntl`` was imported by fit, test and predict."""
    for path in [*(ROOT / "lit_mnist").rglob("*.py"), *(ROOT / "keras_baseline").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += (
                [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            )
            assert not POSIX_ONLY.intersection(name.partition(".")[0] for name in names), path
