"""ONNX, torch.export and safetensors: what other programs compute of them, and what lies beside
them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.data import Standardizer
from lit_mnist.errors import UserError
from lit_mnist.export.single import write_single
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.runs.model import Model, open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import CONFIGS, ROOT, Run
from tests.export.test_module import SHAPES, shaken
from tests.networks import tiny_model
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

needs_onnx = pytest.mark.skipif(
    find_spec("onnxruntime") is None or find_spec("onnxscript") is None,
    reason="needs the extra `export`",
)
BRANCHES = ROOT / "docs" / "examples" / "branches.yaml"


def scaled(model: Model, kind: str, clip: float | None = None) -> tuple[Model, np.ndarray]:
    """The model with a scaling that is fitted on random pixels, and those pixels."""
    height, width, channels = model.spec.input_shape
    shape = (6, height, width) if channels == 1 else (6, height, width, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return replace(model, standardizer=Standardizer.fit(kind, pixels, clip)), pixels


def assert_as_ours(
    model: Model, values: list[np.ndarray], names: tuple[str, ...], images: torch.Tensor
) -> None:
    with torch.no_grad():
        ours = model.network.layer_values(images, *names) | {
            model.spec.output: model.network(images)
        }
    for name, value in zip(names, values, strict=True):
        expected = ours[name].numpy()
        limit = 1e-5 * max(1.0, float(np.abs(expected).max()))
        assert value.shape == expected.shape and np.abs(value - expected).max() <= limit, name


@needs_onnx
def test_onnx_with_named_layers_and_the_scaling_inside(tmp_path: Path) -> None:
    import onnxruntime

    model, pixels = scaled(shaken(spec_of_config(BRANCHES)), "per_pixel", 2.0)
    path = tmp_path / "model.onnx"
    layers = ("Residual", "Flatten")
    record = write_single(model, Path("run"), "onnx", path, layers, with_scaling=True)
    session = onnxruntime.InferenceSession(path)
    assert [value.name for value in session.get_inputs()] == ["pixels"]
    assert session.get_inputs()[0].shape == ["batch", 1, 28, 28]
    assert [value.name for value in session.get_outputs()] == ["logits", *layers]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"])[:2] == ["0", "1"]
    for number in (1, 6):
        given = pixels[:number, None].astype(np.float32)
        values = session.run(None, {"pixels": given})
        images = model.tensor(pixels[:number])
        assert_as_ours(model, values, (model.spec.output, *layers), images)
    beside = json.loads((tmp_path / "model.onnx.json").read_text())
    assert beside["sha256"]["model.onnx"] == sha256(path.read_bytes()).hexdigest()
    assert beside["input_shape"] == [28, 28, 1] and beside["with_scaling"]
    assert beside["classes"] == list(model.class_names)
    assert Standardizer.from_dict(beside["scaling"]).kind == "per_pixel"
    assert beside["versions"]["torch"] and beside["output_names"] == ["logits", *layers]
    assert record["files"] == [str(path), str(tmp_path / "model.onnx.json")]


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_onnx_of_every_shipped_network(config: Path, tmp_path: Path) -> None:
    model = shaken(spec_of_config(config))
    write_single(model, config, "onnx", tmp_path / "m.onnx")  # compared before it is written


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "pt2"])
@pytest.mark.parametrize("name", [*NETWORKS, *IN_FLOAT32, *SHAPES])
def test_every_layer_type(name: str, format: str, tmp_path: Path) -> None:
    spec = NetworkSpec.from_dict((NETWORKS | IN_FLOAT32 | SHAPES)[name])
    layers = [name for name in spec.names if name != spec.output]
    layers = [] if spec.readers[spec.output] else layers
    write_single(shaken(spec), Path("x"), format, tmp_path / f"m.{format}", layers)


def test_pt2_runs_where_torch_alone_is(tmp_path: Path) -> None:
    model, pixels = scaled(tiny_model(), "global", 1.0)
    write_single(model, Path("run"), "pt2", tmp_path / "m.pt2", ["Max_Pool_1"], with_scaling=True)
    torch.save(torch.from_numpy(pixels)[:, None].float(), tmp_path / "pixels.pt")
    program = """
import sys
import torch
sys.modules.update(dict.fromkeys(["lit_mnist", "lightning", "onnx", "keras"]))
network = torch.export.load("m.pt2").module()
with torch.no_grad():
    torch.save(network(torch.load("pixels.pt", weights_only=True)), "values.pt")
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    values = torch.load(tmp_path / "values.pt", weights_only=True)
    names = (model.spec.output, "Max_Pool_1")
    assert_as_ours(model, [value.numpy() for value in values], names, model.tensor(pixels))


def test_safetensors_there_and_back(trained_run: Path, tmp_path: Path, run_cli: Run) -> None:
    code, out, err = run_cli("convert", trained_run, tmp_path / "w.safetensors", "--json")
    assert code == 0, err
    assert json.loads(out)["weights"]["Conv2D_1.conv.weight"] == [32, 1, 3, 3]
    config = ROOT / "configs" / "cnn.yaml"
    code, _, err = run_cli(
        "convert", tmp_path / "w.safetensors", tmp_path / "b.ckpt", "--config", config
    )
    assert code == 0, err
    ours, back = (
        open_model(path).network.state_dict() for path in (trained_run, tmp_path / "b.ckpt")
    )
    assert all(torch.equal(ours[key], back[key]) for key in ours)


BAD = {
    "unknown layer": (("m.onnx", "--layers", "Conv2D_1,Max_Pol_1"), "did you mean 'Max_Pool_1'"),
    "layers of weights": (
        ("m.safetensors", "--layers", "Conv2D_1"),
        "does not go with safetensors",
    ),
    "scaling of code": (("out", "--code", "--with_scaling"), "accepted: onnx, pt2"),
    "ending": (("m.onxx",), "did you mean '.onnx'"),
    "nothing to verify": (("m.pt2", "--verify"), "there is no Keras file here"),
    "folder is a file": (("file/m.safetensors",), "cannot be written"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(in_tmp: Path, run_cli: Run, case: str) -> None:
    save_model(tiny_model(), Path("tiny.ckpt"))
    Path("file").touch()
    before = sorted(in_tmp.rglob("*"))
    words, message = BAD[case]
    code, out, err = run_cli("convert", "tiny.ckpt", *words)
    assert code == 2 and not out and message in err and "Traceback" not in err, err
    assert sorted(in_tmp.rglob("*")) == before


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'lit-mnist\[export\]'"):
        write_single(tiny_model(), Path("run"), "onnx", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_comes_out_different_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lit_mnist.export.program import Scaled

    model, _ = scaled(tiny_model(), "global")
    plain = Scaled.forward
    monkeypatch.setattr(Scaled, "forward", lambda self, x: plain(self, x + 1))
    with pytest.raises(UserError, match="layer 'Dense_1' as torch.export computes it differs by"):
        write_single(model, Path("run"), "pt2", tmp_path / "m.pt2", with_scaling=True)
    assert not list(tmp_path.iterdir())
