"""PyTorch code: what it computes is what our network computes, and how it reads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from lit_mnist.data import Standardizer
from lit_mnist.export.module import TorchCode, run_source, torch_code
from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec
from tests.conftest import CONFIGS
from tests.networks import LAYERS, graphs, model_of, specs
from tests.parity.layer_types import IN_FLOAT32, NETWORKS, layer

SHAPES = {  # kinds of padding and of layers' uses that other networks here have not
    "pools": {
        "input_shape": [7, 8, 2],
        "layers": [
            layer("pool", "Max", size=3, stride=2, padding="same"),
            layer("pool", "Average", kind="average", size=[2, 3], stride=1, padding="same"),
            layer("pool", "Even", kind="average", size=3, stride=1, padding="same"),
            layer("pool", "After", size=2, padding="same"),
            layer("pool", "MaxUneven", size=[4, 1], stride=1, padding="same"),
            layer("flatten", "Flatten"),
            layer("reshape", "Image", shape=[2, 2, 2]),
            layer("flatten", "Again"),
            layer("dense", "class", units=1, activation="sigmoid"),
        ],
    },
    "shared": {
        "input_shape": [8, 8, 2],
        "layers": [
            layer("conv", "lambda", filters=2, kernel=3, stride=2, padding="same"),
            layer("pool", "Small", size=[8, 1], stride=1, inputs=["input"]),
            layer("zero_pad", "Padded", padding=[[0, 6], [0, 1]]),
            layer("shared", "Twice", shares="lambda"),
            layer("global_pool", "Left", inputs=["lambda"]),
            layer("global_pool", "Right", inputs=["Twice"]),
            layer("concatenate", "Both", inputs=["Left", "Right"]),
            layer("dense", "forward_", units=2, activation="softmax"),
        ],
    },
    "probabilities": {
        "input_shape": [6, 6, 1],
        "layers": [
            layer("rescaling", "Scale", factor=1 / 255, offset=-0.5),
            layer("conv", "Conv", filters=3, kernel=6, activation="softmax"),
            layer("flatten", "Flatten"),
        ],
    },
    "norms": {
        "input_shape": [5, 5, 4],
        "layers": [
            *(layer("batch_norm", f"Norm_{n}", scale=n > 1, center=n != 2) for n in range(4)),
            layer("layer_norm", "Plain", center=False, scale=False),
            layer("group_norm", "Shift", groups=-1, scale=False),
            layer("prelu", "Slopes"),
            layer("relu", "Leaky", slope=0.2),
            layer("relu", "Capped", maximum=2.0, slope=0.1),
            layer("global_pool", "Global", kind="max"),
            layer("batch_norm", "Vector"),
            layer("prelu", "One", shared_axes=[1]),
            layer("gaussian_noise", "Noise", stddev=0.5),
            layer("dense", "Dense", units=3),
        ],
    },
}


def shaken(spec: NetworkSpec) -> Model:
    """A model whose weights and statistics all differ from what layers start with."""
    model = model_of(spec)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in model.network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    return model


def all_outputs(spec: NetworkSpec) -> NetworkSpec:
    """The same network with every layer as an output."""
    others = [name for name in spec.names if name != spec.output]
    return replace(spec, outputs=(spec.output, *others))


def differences(model: Model, written: TorchCode, images: torch.Tensor) -> dict[str, float]:
    """The difference of each output, of its largest value (or of 1)."""
    network = written.network().to(memory_format=torch.channels_last)
    with torch.no_grad():
        values = model.network.layer_values(images, *model.spec.kept)
        values[model.spec.output] = model.network(images)
        theirs = network(images)
    theirs = (theirs,) if len(model.spec.kept) == 1 else theirs
    return {
        name: float((ours - other).abs().max() / max(1.0, float(ours.abs().max())))
        for (name, ours), other in zip(
            ((name, values[name]) for name in model.spec.kept), theirs, strict=True
        )
    }


def assert_equal(spec: NetworkSpec, exactly: bool = False) -> TorchCode:
    height, width, channels = spec.input_shape
    images = torch.rand(4, channels, height, width, generator=torch.Generator().manual_seed(2))
    model = shaken(spec)
    written = torch_code(model)
    errors = differences(model, written, images)
    assert max(errors.values()) <= (0 if exactly else 1e-6), errors
    return written


def formatted(sources: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What ruff says of files, with its own settings and no project's."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    ruff = [sys.executable, "-m", "ruff"]
    rules = "E4,E7,E9,F,I,UP,B,ANN"
    for command in (["format", "--diff"], ["check", "--select", rules]):
        result = subprocess.run(
            [*ruff, *command, "--isolated", str(folder)], capture_output=True, text=True
        )
        if result.returncode:
            break
    return result


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_network_to_the_bit(config: Path) -> None:
    assert_equal(spec_of_config(config), exactly=True)


@pytest.mark.parametrize("name", [*NETWORKS, *IN_FLOAT32, *SHAPES])
def test_every_layer_of_every_type(name: str) -> None:
    description = (NETWORKS | IN_FLOAT32 | SHAPES)[name]
    spec = NetworkSpec.from_dict(description)
    assert_equal(spec)
    if not spec.readers[spec.output]:
        assert_equal(all_outputs(spec))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(spec=graphs())
def test_random_graphs(spec: NetworkSpec) -> None:
    assert_equal(spec)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(spec=specs())
def test_random_chains(spec: NetworkSpec) -> None:
    assert_equal(spec)


def test_the_check_sees_a_fault() -> None:
    model = shaken(NetworkSpec.from_dict({"layers": LAYERS}))
    written = torch_code(model)
    wrong = replace(written, source=written.source.replace("torch.tanh", "torch.sigmoid"))
    images = torch.rand(2, 1, 28, 28)
    assert max(differences(model, wrong, images).values()) > 1e-4


def test_as_ruff_formats_it(tmp_path: Path) -> None:
    networks = NETWORKS | IN_FLOAT32 | SHAPES
    specs = {name: NetworkSpec.from_dict(entry) for name, entry in networks.items()}
    specs |= {f"{name}_all": all_outputs(spec) for name, spec in specs.items()}
    specs |= {path.stem: spec_of_config(path) for path in CONFIGS}
    long = {"A": "a_layer_of_a_long_name_in_the_second_block_of_the_encoder", "B": "b" * 60}
    text = str(NETWORKS["merges"]).replace("'A'", repr(long["A"])).replace("'B'", repr(long["B"]))
    specs["long"] = NetworkSpec.from_dict(eval(text))
    sources = {name: torch_code(shaken(spec)).source for name, spec in specs.items()}
    result = formatted(sources, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "lit_mnist." not in "".join(sources.values())


@pytest.mark.parametrize(
    ("kind", "channels", "clip"),
    [
        ("unit", 1, None),
        ("none", 3, None),
        ("global", 1, 2.0),
        ("per_pixel", 1, 3.0),
        ("per_pixel", 3, None),
        ("per_channel", 3, None),
        ("imagenet", 3, None),
        ("caffe", 3, None),
        ("tf", 1, None),
        ("mean_removed", 1, None),
    ],
)
def test_preprocess_is_the_runs_own_to_the_bit(
    kind: str, channels: int, clip: float | None
) -> None:
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [28, 28, channels],
            "layers": [layer("flatten", "F"), layer("dense", "D", units=2)],
        }
    )
    shape = (20, 28, 28) if channels == 1 else (20, 28, 28, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    model = replace(model_of(spec), standardizer=Standardizer.fit(kind, pixels, clip))
    written = torch_code(model)
    ours = model.tensor(pixels)
    theirs = run_source(written.source, written.scaling).preprocess(torch.from_numpy(pixels))
    assert torch.equal(ours, theirs) and theirs.dtype == torch.float32
    assert ours.stride() == theirs.stride()


def test_training_mode_trains() -> None:
    spec = NetworkSpec.from_dict(NETWORKS["noise"])
    network = torch_code(shaken(spec)).network()
    images = torch.rand(4, 4, 9, 8)
    assert torch.equal(network(images), network(images))
    network.train()
    assert not torch.equal(network(images), network(images))
    assert isinstance(network, nn.Module) and not isinstance(network, Network)
