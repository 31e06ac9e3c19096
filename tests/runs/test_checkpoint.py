"""Checkpoint files: whole or not at all, checked, the one before kept, whatever happens while
saving.
"""

from __future__ import annotations

import os
import random
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.files import WriteError
from lit_mnist.runs import checkpoint as checkpoint_files
from lit_mnist.runs.checkpoint import (
    CheckpointError,
    check_seal,
    read_checkpoint,
    read_newest,
    write_checkpoint,
)
from tests.forked import CONFIG, shared_server


def content(number: int) -> dict:
    # made by NumPy: torch's threads do not outlive a fork
    return {
        "state_dict": {"weight": torch.from_numpy(np.full(200_000, number, np.float32))},
        "number": number,
    }


def test_sealed_files_are_torch_files_and_zip_archives(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "last.ckpt", content(3))
    assert torch.load(path, weights_only=True)["number"] == 3
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"sha256:")
    assert read_checkpoint(path)["number"] == 3


def test_unsealed_files_are_read(tmp_path: Path) -> None:
    torch.save(content(4), tmp_path / "plain.ckpt")
    assert read_checkpoint(tmp_path / "plain.ckpt")["number"] == 4


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """Seen to fail on the plain library: torch.load takes a flipped bit within the weights without
    a word.
    """
    path = write_checkpoint(tmp_path / "last.ckpt", content(1))
    whole = path.read_bytes()
    chance = random.Random(0)
    for position in [len(whole) // 2, *(chance.randrange(len(whole) - 100) for _ in range(50))]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chance.randrange(8)
        with pytest.raises(zipfile.BadZipFile):
            check_seal(bytes(damaged))
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    path.write_bytes(damaged)
    assert torch.load(path, weights_only=True)["number"] == 1  # the plain library's behaviour
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


def test_the_one_before_is_kept_and_used(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_checkpoint(tmp_path / "last.ckpt", content(number), "previous.ckpt")
    assert read_checkpoint(tmp_path / "previous.ckpt")["number"] == 2
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "last.ckpt").read_bytes()[:1000])
    path, read, damage = read_newest(tmp_path)
    assert (path.name, read["number"]) == ("previous.ckpt", 2) and "last.ckpt" in str(damage)
    (tmp_path / "last.ckpt").unlink()
    assert read_newest(tmp_path)[1]["number"] == 2


def test_without_links_the_one_before_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    for number in (1, 2):
        write_checkpoint(tmp_path / "last.ckpt", content(number), "previous.ckpt")
    assert read_checkpoint(tmp_path / "previous.ckpt")["number"] == 1


def kill_while_saving(folder: Path, kills: int, seed: int) -> set[int]:
    """Kill a process that saves without pause at random instants; return the numbers that were then
    readable.
    """
    chance, result = random.Random(seed), set()
    write_checkpoint(folder / "last.ckpt", content(0), "previous.ckpt")
    for _ in range(kills):
        start = read_newest(folder)[1]["number"]
        child = os.fork()
        if child == 0:
            for number in range(start + 1, start + 1_000_000):
                write_checkpoint(folder / "last.ckpt", content(number), "previous.ckpt")
            os._exit(0)
        time.sleep(chance.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        path, read, damage = read_newest(folder)
        assert damage is None and path.name == "last.ckpt"
        assert (read["state_dict"]["weight"].numpy() == read["number"]).all()
        if (folder / "previous.ckpt").is_file():
            assert read_checkpoint(folder / "previous.ckpt")["number"] < read["number"]
        result.add(read["number"])
    return result


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fifty_kills_while_saving_leave_no_unreadable_state(tmp_path: Path) -> None:
    """Seen to fail with torch.save straight to the file: the first kills left truncated
    archives.
    """
    assert len(kill_while_saving(tmp_path, 50, 0)) > 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_thousand_kills_while_saving_leave_no_unreadable_state(tmp_path: Path) -> None:
    assert len(kill_while_saving(tmp_path, 1000, 1)) > 100


def test_the_temporary_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning's own saving writes into the temporary folder and moves: from another file system,
    that copies.
    """
    seen = []
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda a, b: (seen.append((Path(a).parent, Path(b).parent)), replace(a, b))
    )
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    write_checkpoint(tmp_path / "last.ckpt", content(1))
    assert seen == [(tmp_path, tmp_path)]


def test_a_failed_write_leaves_both_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_checkpoint(tmp_path / "last.ckpt", content(number), "previous.ckpt")

    def full(path: Path, _: bytes) -> None:
        raise WriteError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(checkpoint_files, "write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        write_checkpoint(tmp_path / "last.ckpt", content(3), "previous.ckpt")
    assert [
        read_checkpoint(tmp_path / name)["number"] for name in ("last.ckpt", "previous.ckpt")
    ] == [2, 1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_no_room_for_a_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    """The system itself refuses (a limit on file sizes stands for the full disk); afterwards the
    run goes on.
    """
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    command = (
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path / "runs",
        "--trainer.max_epochs",
        2,
    )
    code, _ = shared_server().run(*command, log=tmp_path / "log", file_limit=30_000)
    said = (tmp_path / "log").read_text()
    assert code == 2 and "cannot be written (File too large)" in said and "Traceback" not in said, (
        said
    )
    code, _ = shared_server().run(*command, log=tmp_path / "log2")
    assert code == 0, (tmp_path / "log2").read_text()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "runs").write_text("a file where the folder should be")
    code, _ = shared_server().run(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path / "runs",
        log=tmp_path / "log",
    )
    said = (tmp_path / "log").read_text()
    assert code == 2 and str(tmp_path / "runs") in said and "Traceback" not in said, said
