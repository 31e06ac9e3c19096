"""The small network's configuration as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.tiny import TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small network on the embedded digits, dropout included."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path
