"""Every name that ``python -m benchmarks`` offers is a benchmark."""

from __future__ import annotations

import importlib

from benchmarks.__main__ import NAMES


def test_each_name_can_run() -> None:
    assert "train" in NAMES
    for name in NAMES:
        assert callable(importlib.import_module(f"benchmarks.{name}").run), name
