"""Files appear whole or not at all, and what cannot be written is said in one error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.files import WriteError, write_bytes


def test_files_replace_what_was_there_and_leave_nothing_beside(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        assert write_bytes(tmp_path / "new" / "a.bin", content).read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("place", ["taken/a.bin", "taken/below/a.bin", "folder"])
def test_what_cannot_be_written_is_one_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(WriteError, match=f"{place}: cannot be written"):
        write_bytes(tmp_path / place, b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "taken"]
    assert (tmp_path / "taken").read_text() == "mine"
