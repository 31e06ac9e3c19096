"""docs/use_elsewhere.md: its code is run, and gives what this program gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lit_mnist.network import Network
from lit_mnist.runs.checkpoint import BEST, write_checkpoint
from lit_mnist.runs.model import Model
from lit_mnist.runs.record import checkpoint_record
from lit_mnist.spec import NetworkSpec

PAGE = (Path(__file__).parents[1] / "docs" / "use_elsewhere.md").read_text(encoding="utf-8")
SAVE, LOAD = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.fixture
def run(tmp_path: Path, cnn_spec: NetworkSpec, trained: Model) -> Model:
    """A run of configs/cnn.yaml with initial weights, and pixels' scaling as trained."""
    model = Model(Network(cnn_spec, seed=4).eval(), trained.standardizer, "mnist", tmp_path)
    state = {f"network.{key}": value for key, value in model.network.state_dict().items()}
    write_checkpoint(
        tmp_path / "runs" / "cnn" / "checkpoints" / BEST,
        {
            "state_dict": state,
            "lit_mnist": checkpoint_record(cnn_spec, trained.standardizer, "mnist", 4),
        },
    )
    return model


def test_weights_in_plain_torch_give_the_same_probabilities(run: Model, in_tmp: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(SAVE, namespace)
    assert "lit_mnist" not in LOAD
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype(np.float32)
    record = torch.load(in_tmp / "runs" / "cnn" / "checkpoints" / BEST, weights_only=True)[
        "lit_mnist"
    ]["standardizer"]
    scaled = (pixels - np.asarray(record["mean"])) / np.asarray(record["scale"])
    x = torch.from_numpy(scaled.astype(np.float32)).unsqueeze(1)
    assert torch.allclose(x, run.tensor(pixels), atol=1e-6)
    with torch.no_grad():
        expected = run.network.probabilities(run.network(x))
        plain: dict[str, Any] = {"x": x}
        exec(LOAD, plain)
        other = plain["cnn"](load_file("weights.safetensors"), x)
    assert torch.allclose(plain["probabilities"], expected, atol=1e-6)
    assert torch.allclose(other, expected, atol=1e-6)


def test_a_swapped_layer_would_be_seen(run: Model, in_tmp: Path) -> None:
    exec(SAVE, {})
    state = torch.load("weights.pt", weights_only=True)
    state["Conv2D_2.conv.bias"] = state["Conv2D_2.conv.bias"] + 1
    plain: dict[str, Any] = {"x": torch.rand(2, 1, 28, 28)}
    with torch.no_grad():
        exec(LOAD, plain)
        assert not torch.allclose(
            plain["cnn"](state, plain["x"]), plain["probabilities"], atol=1e-3
        )
