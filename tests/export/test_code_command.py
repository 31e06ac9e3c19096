"""``convert --code``: the folder as its receiver uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.data import Standardizer
from lit_mnist.export.module import torch_code
from lit_mnist.keras_files import write_keras
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.runs.model import Model
from tests.conftest import ROOT, Run
from tests.networks import model_of, tiny_model

EXAMPLES = ROOT / "docs" / "examples"
RECEIVER = """
import sys
import torch
sys.modules.update(dict.fromkeys(["lit_mnist", "lightning", "numpy"]))
torch.set_num_threads({threads})
import model
network = model.load().to(memory_format=torch.channels_last)
pixels = torch.load("pixels.pt", weights_only=True)
with torch.no_grad():
    torch.save(network(model.preprocess(pixels)), "logits.pt")
"""


def used(folder: Path, pixels: np.ndarray) -> torch.Tensor:
    """What the folder's network answers in a process of its own that has neither this package nor
    NumPy.
    """
    torch.save(torch.from_numpy(pixels), folder / "pixels.pt")
    program = RECEIVER.format(threads=torch.get_num_threads())
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return torch.load(folder / "logits.pt", weights_only=True)


def test_a_run_is_used_where_torch_alone_is(
    trained: Model, trained_run: Path, tmp_path: Path, run_cli: Run
) -> None:
    code, out, err = run_cli("convert", trained_run, tmp_path / "code", "--code", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert [Path(file).name for file in record["files"]] == [
        "model.pt",
        "scaling.pt",
        "model.py",
        "model.json",
    ]
    assert record["checked"]["equal"] and record["scaling"]["kind"] == trained.standardizer.kind
    for name, digest in record["sha256"].items():
        assert sha256((tmp_path / "code" / name).read_bytes()).hexdigest() == digest
    pixels = np.random.default_rng(3).integers(0, 256, (8, 28, 28)).astype(np.uint8)
    with torch.no_grad():
        ours = trained.network(trained.tensor(pixels))
    assert torch.equal(used(tmp_path / "code", pixels), ours)
    code, out, err = run_cli("convert", trained_run, tmp_path / "code", "--code")
    assert code == 0 and "to the bit" in out, err  # its own files may be written again


def test_a_folder_of_versions_stands_for_its_newest_run(
    trained_run: Path, tmp_path: Path, run_cli: Run
) -> None:
    code, _, err = run_cli("convert", trained_run.parent, tmp_path / "code", "--code")
    assert code == 0 and str(trained_run) in err, err
    assert (tmp_path / "code" / "model.py").is_file()


def test_a_keras_file_with_safetensors(tmp_path: Path, run_cli: Run) -> None:
    model = tiny_model()
    write_keras(tmp_path / "tiny.keras", model.spec, model.network.named_weights())
    code, out, err = run_cli(
        "convert", tmp_path / "tiny.keras", tmp_path / "code", "--code", "--format", "safetensors"
    )
    assert code == 0 and "to the bit" in out, err
    assert sorted(path.name for path in (tmp_path / "code").iterdir()) == [
        "model.json",
        "model.py",
        "model.safetensors",
    ]
    pixels = np.random.default_rng(3).integers(0, 256, (8, 28, 28)).astype(np.uint8)
    with torch.no_grad():
        ours = model.network(model.tensor(pixels))
    source = (tmp_path / "code" / "model.py").read_text()
    assert "load_file" in source and "torch.load" not in source
    assert torch.equal(used(tmp_path / "code", pixels), ours)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("out.py", "--code"), "accepted: a folder"),
        (("out", "--code", "--format", "onnx"), "pt or safetensors"),
        (("out.keras", "--format", "h5"), "ends in .keras, but --format says h5"),
        (("out", "--format", "kers"), "did you mean 'keras'"),
        (("out.kears",), "did you mean '.keras'"),
        (("theirs", "--code"), "lit_mnist did not write it"),
        (("file/code", "--code"), "cannot be written"),
    ],
)
def test_bad_input_is_one_clear_error(
    trained_run: Path, in_tmp: Path, run_cli: Run, words: tuple[str, ...], message: str
) -> None:
    Path("theirs").mkdir()
    Path("theirs/model.py").write_text("print('mine')\n")
    Path("file").touch()
    before = sorted(in_tmp.rglob("*"))
    code, out, err = run_cli("convert", trained_run, *words)
    assert code == 2 and not out and message in err and "Traceback" not in err
    assert sorted(in_tmp.rglob("*")) == before


def example(name: str) -> str:
    """The code of a network whose pixels are scaled as `configs/cnn.yaml` scales them."""
    path = ROOT / "configs" / "cnn.yaml" if name == "cnn" else EXAMPLES / f"{name}.yaml"
    spec = spec_of_config(path)
    pixels = np.zeros((1, *spec.input_shape[:2]), np.uint8)
    model = replace(model_of(spec), standardizer=Standardizer.fit("per_pixel", pixels))
    return torch_code(model, name).source


@pytest.mark.parametrize("name", ["cnn", "branches"])
def test_the_documented_files_are_what_is_written(name: str) -> None:
    documented = (EXAMPLES / f"{name}_model.py").read_text()
    assert documented == example(name)
