"""The notebook on explanations runs, with a small untrained network of ReLUs and two verdict
digits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attribution.test_explain import RELU
from tests.networks import model_of
from tests.notebooks.test_notebooks import execute


def test_explain_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.notebooks.test_notebooks.tiny_model", lambda: model_of(RELU, seed=2))
    notebook = execute("04_explain", tmp_path, monkeypatch)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 5
    assert any("worst completeness error" in output.get("text", "") for output in outputs)
