"""Notebooks: script and .ipynb hold the same cells, no outputs are stored, and they run."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lit_mnist.runs.model import Model, save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import ROOT
from tests.networks import model_of, tiny_model

jupytext = pytest.importorskip("jupytext")
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_both_halves_hold_the_same_cells(script: Path) -> None:
    ours, theirs = jupytext.read(script), jupytext.read(script.with_suffix(".ipynb"))
    assert [(cell.cell_type, cell.source) for cell in ours.cells] == [
        (c.cell_type, c.source) for c in theirs.cells
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_no_outputs_are_stored(script: Path) -> None:
    for cell in jupytext.read(script.with_suffix(".ipynb")).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_see_inside_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny mode: a small untrained network and 60 of the embedded digits."""
    notebook = execute("02_see_inside", tmp_path, monkeypatch)
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 10


def test_train_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny mode: a small dense network, two epochs of the embedded digits."""
    monkeypatch.setenv("LIT_MNIST_CONFIG", str(ROOT / "configs" / "fashion_dense.yaml"))
    monkeypatch.setenv("LIT_MNIST_DATASET", "digits")
    monkeypatch.setenv("LIT_MNIST_EPOCHS", "2")
    notebook = execute("01_train", tmp_path, monkeypatch)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 3
    right = next(output.text for output in outputs if " right: " in output.get("text", ""))
    assert float(right.split(": ")[1].rstrip("%\n")) > 50  # chance is 10
    assert (tmp_path / "cnn.ckpt").is_file()


def test_studies_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny mode: the embedded digits, one epoch."""
    pytest.importorskip("optuna")
    monkeypatch.setenv("LIT_MNIST_CONFIG", str(ROOT / "configs" / "fashion_dense.yaml"))
    monkeypatch.setenv("LIT_MNIST_DATASET", "digits")
    monkeypatch.setenv("LIT_MNIST_EPOCHS", "1")
    notebook = execute("06_studies", tmp_path, monkeypatch)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 3
    text = "".join(output.get("text", "") for output in outputs)
    assert float(text.split("correlate2d: ")[1].split()[0]) < 1e-9
    assert "2 of 2 trials ended (2 complete)" in text


def test_cats_and_dogs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cats_dogs: Path
) -> None:
    """Tiny mode: a small untrained network for colour, and pictures of noise."""
    layers = [
        {"type": "conv", "name": "Conv", "filters": 2, "activation": "relu"},
        {"type": "global_pool", "name": "Pool"},
        {"type": "dense", "name": "Output", "units": 1, "activation": "sigmoid"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": [12, 12, 3], "layers": layers})
    model = replace(model_of(spec), dataset="folder", stored_names=("cats", "dogs"))
    monkeypatch.setenv("LIT_MNIST_CATS_DOGS", str(cats_dogs))
    notebook = execute("07_cats_and_dogs", tmp_path, monkeypatch, model)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(output.get("text", "").startswith("right: ") for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)


def execute(
    stem: str, folder: Path, monkeypatch: pytest.MonkeyPatch, model: Model | None = None
) -> Any:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    save_model(model or tiny_model(), folder / "tiny.ckpt")
    monkeypatch.setenv("LIT_MNIST_CKPT", str(folder / "tiny.ckpt"))
    monkeypatch.setenv("LIT_MNIST_COUNT", "60")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = jupytext.read(ROOT / "notebooks" / f"{stem}.py")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own, about event loops and sockets
        return nbclient.NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        ).execute()
