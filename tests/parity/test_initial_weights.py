"""Both programs start from a file in the same way: layers that it has, drawn ones, clusters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from keras_baseline.__main__ import main as keras_main
from lit_mnist.spec import NetworkSpec
from lit_mnist.spec.weights import Weights, initial_weights
from tests.conftest import Run

pytestmark = [
    pytest.mark.keras,  # Keras 3.15 on NumPy 2.4 warns of its own conversion of tensors to arrays
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
FLATTEN = {"type": "flatten", "name": "Flatten"}
WIDE = {"type": "dense", "name": "Wide", "units": 6, "activation": "relu"}
OUT = {"type": "dense", "name": "Out", "units": 10, "activation": "softmax"}
CONFIG = {
    "recipe": "keras",
    "trainer": {"max_epochs": 1},
    "model": {"network": {"layers": [FLATTEN, WIDE, OUT]}},
    "data": {"dataset": "digits", "batch_size": 256, "features": {"kmeans": 5, "n_init": 1}},
}


def file_of(path: Path, *layers: dict, values: int) -> Weights:
    """Write weights of a network of these layers on `values` inputs, and return them."""
    spec = NetworkSpec.from_dict({"input_shape": [1, values, 1], "layers": [FLATTEN, *layers]})
    weights = initial_weights(spec, seed=9)
    save_file(weights, path, {"spec": json.dumps(spec.to_dict())})
    return weights


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "clusters.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def test_missing_layers_are_drawn_and_missing_clusters_fitted(
    config: Path, tmp_path: Path, run_cli: Run, capsys: pytest.CaptureFixture
) -> None:
    given = file_of(tmp_path / "given.safetensors", OUT, values=6)
    options = ["fit", "--config", str(config), "--runs_dir", str(tmp_path / "runs"), "--json"]
    options += ["--model.initial_weights", str(tmp_path / "given.safetensors")]
    code, out, err = run_cli(*options)
    assert code == 0, err
    assert keras_main(options) == 0
    runs = [Path(json.loads(text)["run"]) for text in (out, capsys.readouterr().out)]
    tables = [(run / "initial_weights.txt").read_text() for run in runs]
    assert tables[0] == tables[1] and "fitted: 2 layers" in tables[0]
    ours, theirs = (load_file(run / "initial_weights.safetensors") for run in runs)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    np.testing.assert_array_equal(theirs["Out/kernel"], given["Out/kernel"])
    assert not np.array_equal(theirs["Wide/kernel"][:2], theirs["Wide/kernel"][2:4])
    assert len(np.unique(theirs["Clusters/centres"].round(3), axis=1).T) == 5


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (OUT | {"units": 9}, "layer 'Out' has weights bias 9, kernel 6 x 9"),
        (OUT | {"name": "Other"}, "has none of this network's layers"),
    ],
)
def test_files_that_cannot_start_it_are_refused_alike(
    layer: dict,
    message: str,
    config: Path,
    tmp_path: Path,
    run_cli: Run,
    capsys: pytest.CaptureFixture,
) -> None:
    path = tmp_path / "given.safetensors"
    file_of(path, layer, values=6)
    options = ["fit", "--config", str(config), "--runs_dir", str(tmp_path / "runs")]
    options += ["--model.initial_weights", str(path)]
    code, _, ours = run_cli(*options)
    assert code == 2 and message in ours
    assert keras_main(options) == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "runs").rglob("config.yaml"))
