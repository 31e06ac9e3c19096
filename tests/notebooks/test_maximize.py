"""The notebook on what maps want runs, with a small untrained network, 60 digits and six steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.test_notebooks import execute


def test_what_maps_want_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_MNIST_STEPS", "6")
    notebook = execute("03_what_maps_want", tmp_path, monkeypatch)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 9
