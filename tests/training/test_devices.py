"""Devices without float64, such as Apple's MPS: a CPU stands in for one, and every float64 tensor
on it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from lit_mnist.training import devices
from lit_mnist.training.steps import StepResult
from lit_mnist.training.sums import Sums, summed
from tests.forked import CONFIG

Run = Callable[..., tuple[int, str, str]]


class NoFloat64(TorchDispatchMode):
    """Refuses every operation that brings float64 to the device: a factory there, or one that reads
    what lies there.

    The host's own float64 tensors come from NumPy, which no mode sees, and may be combined with
    each other.
    """

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if any(one.dtype == torch.float64 for one in tensors(result)):
            inputs = tensors((args, kwargs))
            on_host = inputs and all(one.dtype == torch.float64 for one in inputs)
            if not on_host or kwargs.get("device") is not None:
                raise TypeError(f"{function}: Cannot convert a MPS Tensor to float64 dtype")
        return result


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


@pytest.fixture
def without_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CPU as a device without float64; files are read onto the host."""
    load = torch.load

    def load_onto_host(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", load_onto_host)
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", ("cpu",))
    with NoFloat64():
        yield


def test_the_mode_refuses_what_such_a_device_refuses() -> None:
    with NoFloat64():
        assert torch.ones(3).sum() == 3
        for bring in (
            lambda: torch.ones(3).double(),
            lambda: torch.ones(3).sum(dtype=torch.float64),
            lambda: torch.zeros(3, dtype=torch.float64, device="cpu"),
        ):
            with pytest.raises(TypeError, match="float64"):
                bring()
        host = torch.from_numpy(np.ones(2))
        assert (host + host).tolist() == [2, 2]


def write_config(folder: Path) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def fit(run_cli: Run, folder: Path) -> Path:
    """Train with all that works on the device: augmentation, averages, a view inside, a test at the
    end.
    """
    folder.mkdir()
    config = write_config(folder)
    code, _, err = run_cli(
        "fit",
        "--config",
        config,
        "--runs_dir",
        folder,
        "--trainer.max_epochs",
        1,
        "--trainer.log_every_n_steps",
        10,
        "--trainer.callbacks",
        "lit_mnist.training.tensorboard.InsideView",
        "--trainer.callbacks.step_marks",
        "[3]",
    )
    assert code == 0, err
    return folder / "tiny/version_0"


def test_a_run_on_a_device_without_float64_gives_the_same_metrics(
    run_cli: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    usual = fit(run_cli, tmp_path / "usual")
    request.getfixturevalue("without_float64")
    single = fit(run_cli, tmp_path / "single")
    assert (usual / "metrics.csv").read_text() == (single / "metrics.csv").read_text()
    code, out, err = run_cli("test", "--ckpt_path", single, "--json")
    assert code == 0, err
    assert (
        json.loads(out)["test/loss"]
        == json.loads((usual / "summary.json").read_text())["test/loss"]
    )


def test_double_precision_is_refused_by_name(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", ("cpu",))
    code, _, err = run_cli(
        "fit",
        "--config",
        write_config(tmp_path),
        "--runs_dir",
        tmp_path / "runs",
        "--trainer.precision",
        "64-true",
    )
    assert code == 2 and "trainer.precision = '64-true'" in err and "32-true" in err, err
    assert not (tmp_path / "runs").exists()


def results(sizes: tuple[tuple[int, int], ...]) -> list[StepResult]:
    draw = torch.Generator().manual_seed(1)
    return [
        StepResult(
            torch.rand((), generator=draw),
            torch.rand((), generator=draw),
            torch.randn(own, 10, generator=draw),
            torch.randint(10, (own,), generator=draw),
            total,
        )
        for own, total in sizes
    ]


def test_the_hosts_sums_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through add, interval, state and restore; the images differ in number, as at an epoch's
    end.
    """
    sizes = ((64, 64), (64, 64), (7, 14))
    on_device, on_host = Sums(), Sums()
    given = results(sizes)
    for _ in range(3):
        on_device.add(summed(given, sizes).sums)
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", ("cpu",))
    for number in range(3):
        on_host.add(summed(given, sizes).sums)
        if number == 1:
            interval = on_host.interval()
    kept = Sums()
    kept.restore([on_host.state()], 0, 1, torch.device("cpu"))
    assert kept.metrics() == pytest.approx(on_device.metrics(), rel=1e-14)
    assert interval.tolist() == pytest.approx(
        [2 / 3 * value for value in kept.interval().add(interval).tolist()], rel=1e-14
    )
