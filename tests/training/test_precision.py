"""Half precision: every layer type trains in it; processors with and without instructions for
bfloat16, both pretended.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from lit_mnist.data import Dataset
from lit_mnist.data.module import Batch
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.devices import (
    DeviceError,
    automatic_precision,
    check_precision,
    gains_by_bfloat16,
)
from lit_mnist.training.steps import Step
from tests.forked import CONFIG
from tests.parity.layer_types import NETWORKS

Run = Callable[..., tuple[int, str, str]]
PROCESSORS = {
    "AMD Zen 4": {"avx512_f": True, "avx512_bf16": True, "amx_bf16": False},
    "Intel Sapphire Rapids": {"avx512_f": True, "avx512_bf16": True, "amx_bf16": True},
    "Arm Neoverse V1": {"neon": True, "bf16": True},
}
WITHOUT = {
    "Intel Cascade Lake": {
        "avx512_f": True,
        "avx512_vnni": True,
        "avx512_bf16": False,
        "amx_bf16": False,
    },
    "unknown": {},
}


def pretend(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


@pytest.mark.parametrize("name", [*PROCESSORS, *WITHOUT])
def test_processors_are_told_apart(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, (PROCESSORS | WITHOUT)[name])
    assert gains_by_bfloat16("cpu") is (name in PROCESSORS)
    assert automatic_precision("cpu") == ("bf16-mixed" if name in PROCESSORS else "32-true")


def test_other_devices_take_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, PROCESSORS["AMD Zen 4"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert automatic_precision("auto") == "bf16-mixed"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (
        automatic_precision("auto")
        == automatic_precision("mps")
        == automatic_precision("gpu")
        == "32-true"
    )


@pytest.mark.parametrize(
    ("processor", "precision", "taken", "warned"),
    [
        ("AMD Zen 4", "bf16-mixed", "bf16-mixed", False),
        ("Intel Cascade Lake", "bf16-mixed", "bf16-mixed", True),
        ("AMD Zen 4", "auto", "bf16-mixed", False),
        ("Intel Cascade Lake", "auto", "32-true", False),
    ],
)
def test_a_run_says_what_bfloat16_costs(
    run_cli: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processor: str,
    precision: str,
    taken: str,
    warned: bool,
) -> None:
    pretend(monkeypatch, (PROCESSORS | WITHOUT)[processor])
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path,
        "--trainer.precision",
        precision,
        "--trainer.accelerator",
        "cpu",
        "--trainer.max_epochs",
        1,
    )
    assert code == 0, err
    lines = [line for line in err.splitlines() if "no instructions for bfloat16" in line]
    assert len(lines) == warned and all("--trainer.precision 32-true" in line for line in lines)
    config = yaml.safe_load((tmp_path / "tiny/version_0/config.yaml").read_text())
    assert config["trainer"]["precision"] == taken


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_in_half_precision_are_refused(
    run_cli: Run, tmp_path: Path, precision: str
) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    options = ["--runs_dir", tmp_path / "runs", "--trainer.precision", precision]
    code, _, err = run_cli("fit", "--config", tmp_path / "tiny.yaml", *options)
    assert code == 2 and "Traceback" not in err
    assert f"trainer.precision = {precision!r}" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "transformer-engine"])
def test_a_trainer_of_ones_own_is_refused_too(precision: str) -> None:
    with pytest.raises(DeviceError, match=f"trainer.precision = '{precision}'.*float32"):
        check_precision(torch.device("cpu"), precision)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_type_trains_in_half_precision(name: str, dtype: torch.dtype) -> None:
    spec = NetworkSpec.from_dict(NETWORKS[name])
    network = Network(spec, 1)
    step = Step(network, torch.optim.SGD(network.parameters(), lr=0.01))
    height, width, channels = spec.input_shape
    images = torch.rand(6, channels, height, width, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype):
        result = step(Batch(images, torch.arange(6) % spec.classes, 6), None, None)
    assert result.loss.isfinite()
    assert all(weights.isfinite().all() for weights in network.state_dict().values())


def test_a_network_of_half_precision_keeps_its_statistics_in_it() -> None:
    network = Network(NetworkSpec.from_dict(NETWORKS["scales"]), 1).bfloat16().train()
    height, width, channels = network.spec.input_shape
    network(torch.rand(4, channels, height, width).bfloat16())
    statistics = network.module_of("BatchNorm").running_var
    assert statistics.dtype == torch.bfloat16 and statistics.isfinite().all()


def test_statistics_of_half_precision_are_float32(digits: Dataset) -> None:
    layers = [
        {"type": "batch_norm", "name": "Norm", "momentum": 0.0},
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense", "units": 10, "activation": "softmax"},
    ]
    network = Network(NetworkSpec.from_dict({"layers": layers}), 1)
    images = torch.from_numpy(digits.train_images[:64, None]).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        network.training_logits(images)
    exact = images.double()
    norm = network.module_of("Norm")
    torch.testing.assert_close(norm.running_mean.double(), exact.mean()[None], rtol=1e-5, atol=0)
    variance = exact.var(correction=0)[None]
    torch.testing.assert_close(norm.running_var.double(), variance, rtol=1e-5, atol=0)
