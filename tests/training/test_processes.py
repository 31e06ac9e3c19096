"""Several processes train as one does: the same global batch, the same loss, every image counted
once.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.forked import CONFIG, shared_server

NO_DROPOUT = CONFIG.replace(
    "      - {type: dropout, name: Dropout_1, rate: 0.3}\n", ""
)  # drawn by each process


def fit(tmp_path: Path, processes: int, *extra: object) -> Path:
    """Run the program in `processes` processes; return the run folder."""
    config = tmp_path / "tiny.yaml"
    config.write_text(NO_DROPOUT)
    several = ["--trainer.devices", processes, "--trainer.strategy", "ddp"] if processes > 1 else []
    command = [
        "fit",
        "--config",
        config,
        "--runs_dir",
        tmp_path / str(processes),
        "--trainer.accelerator",
        "cpu",
        "--trainer.max_epochs",
        2,
        "--trainer.log_every_n_steps",
        1,
        "--data.batch_size",
        16,
        *several,
        *extra,
    ]
    if processes == 1:
        code, _ = shared_server().run(*command, log=tmp_path / "log")
        assert code == 0, (tmp_path / "log").read_text()
    else:
        done = subprocess.run(
            [sys.executable, "-m", "lit_mnist", *map(str, command)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            text=True,
            capture_output=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
    return tmp_path / str(processes) / "tiny/version_0"


def losses(run: Path) -> list[float]:
    with open(run / "metrics.csv", newline="") as file:
        return [float(row["step/loss"]) for row in csv.DictReader(file) if row["step/loss"]]


@pytest.mark.parametrize("numbers", [(2,), pytest.param((3, 4), marks=pytest.mark.slow)])
def test_processes_give_one_process_losses_and_exact_counts(
    tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    """Seen to hang where one process alone asked Lightning for the run folder, which all must."""
    alone = fit(tmp_path, 1, "--trainer.precision", "64-true")
    expected = losses(alone)
    assert len(expected) == 162
    for processes in numbers:
        run = fit(tmp_path, processes, "--trainer.precision", "64-true")
        result = losses(run)
        assert max(abs(a - b) for a, b in zip(result, expected, strict=True)) < 1e-10
        summary = json.loads((run / "summary.json").read_text())
        assert summary["images"] == 360 and isinstance(summary["test/correct"], int)
        assert (
            summary["test/correct"]
            == json.loads((alone / "summary.json").read_text())["test/correct"]
        )


@pytest.mark.parametrize(
    "world", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_float32_gradients_of_several_processes_are_those_of_one(
    tmp_path: Path, world: int
) -> None:
    """Seen to fail where each share counts the same, whatever its number of images: 65 do not
    divide.
    """
    calls = [(rank, world, str(tmp_path)) for rank in range(world)]
    module = "tests.training.shared_gradients"
    codes = shared_server().call_together(module, calls, log=tmp_path / "log")
    assert codes == [0] * world, (tmp_path / "log").read_text()
    for rank in range(world):
        errors = json.loads((tmp_path / f"{rank}.json").read_text())
        assert len(errors) == 20 * 10 and max(errors) < 3e-6


def test_shares_of_evaluation_hold_every_image_once() -> None:
    from types import SimpleNamespace

    from lit_mnist.data.module import EvaluationBlocks

    for images in (9_999, 10_000, 7):
        numbers = torch.arange(images)
        data = SimpleNamespace(
            part=range(images), labels=numbers, take=numbers.__getitem__, start="input"
        )
        for world in (1, 2, 3, 4):
            shares = [EvaluationBlocks(data, 1000, rank, world) for rank in range(world)]
            blocks = [block for share in shares for block in share]
            assert torch.equal(torch.cat([block.labels for block in blocks]), numbers)
            assert torch.equal(torch.cat([block.images for block in blocks]), numbers)
