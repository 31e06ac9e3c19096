"""The command clusters, and networks on distances to clusters: fit, test, predict, the centres as
pictures.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lit_mnist.runs.model import open_model
from tests.conftest import ROOT, run_program

CONFIG = ROOT / "configs" / "studies" / "mlp_clusters.yaml"


def result(*arguments: object) -> dict[str, Any]:
    code, printed, err = run_program(*arguments, "--json")
    assert code == 0, err
    return json.loads(printed)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on distances to twelve clusters of the embedded digits."""
    summary = result(
        *("fit", "--config", CONFIG, "--data.dataset", "digits", "--data.features.kmeans", 12),
        *("--data.features.images", "all", "--data.batch_size", 32, "--trainer.max_epochs", 8),
        *("--runs_dir", tmp_path_factory.mktemp("runs")),
    )
    assert summary["test/acc"] > 0.5
    assert summary["features"]["kmeans"] == 12
    assert summary["features"]["images"] == "all"
    return Path(summary["run"])


def test_clusters_of_several_numbers(tmp_path: Path) -> None:
    out = tmp_path / "clusters"
    data = result(
        *("clusters", "--dataset", "digits", "--k", 4, 12, "--standardize", "global"),
        *("--n_init", 1, "--sample", 200, "--out", out),
    )
    assert all(Path(path).is_file() for path in data["files"])
    assert {"curves.png", "centres-4.png", "centres-12.png"} <= {p.name for p in out.iterdir()}
    few, many = data["clusterings"]
    assert (few["k"], many["k"]) == (4, 12)
    assert many["inertia"] < few["inertia"]


def test_a_run_tests_and_predicts_by_the_clusters_in_its_checkpoint(
    run: Path, tmp_path: Path
) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert result("test", "--ckpt_path", run)["test/acc"] == summary["test/acc"]
    moved = tmp_path / "elsewhere"
    shutil.copytree(run, moved)
    picture = tmp_path / "digit.png"
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(picture)
    answer = result(
        *("predict", "--ckpt_path", moved, "--images", picture, "--data.root", tmp_path / "none")
    )
    assert sum(answer["images"][0]["probabilities"]) > 0


def test_the_centres_of_a_run_are_pictures(run: Path, tmp_path: Path) -> None:
    data = result("clusters", "--ckpt_path", run, "--out", tmp_path / "centres")
    assert data["k"] == 12
    with np.load(tmp_path / "centres" / "clusters.npz") as arrays:
        pictures = arrays["centres-12"]
    height, width, _ = open_model(run).spec.input_shape
    assert pictures.shape == (12, height, width)
    assert pictures.min() >= 0
    assert 128 < pictures.max() <= 255
    code, _, err = run_program(
        "clusters", "--ckpt_path", tmp_path / "none", "--out", tmp_path / "o"
    )
    assert code == 2
    assert "none" in err


def test_a_run_without_clusters_has_no_centres(trained_run: Path, tmp_path: Path) -> None:
    code, _, err = run_program("clusters", "--ckpt_path", trained_run, "--out", tmp_path / "o")
    assert code == 2
    assert "no layer of type distances" in err
    assert not (tmp_path / "o").exists()


def test_features_need_a_network_that_flattens(tmp_path: Path) -> None:
    code, _, err = run_program(
        *("fit", "--config", ROOT / "configs" / "cnn.yaml", "--data.features.kmeans", 12),
        *("--runs_dir", tmp_path / "runs"),
    )
    assert code == 2
    assert "first layer is of the type flatten" in err
    assert not (tmp_path / "runs").exists()


def test_bad_numbers_write_nothing(tmp_path: Path) -> None:
    code, _, err = run_program("clusters", "--dataset", "digits", "--k", 1, "--out", tmp_path / "o")
    assert code == 2
    assert "--k 1: cannot work" in err
    assert not (tmp_path / "o").exists()
