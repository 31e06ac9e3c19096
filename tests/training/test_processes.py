"""Several processes train as one does: the same global batch, the same loss, every image counted once."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lit_mnist.data import load_dataset
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.gradients import reduce_gradients
from lit_mnist.training.losses import data_loss, penalty
from lit_mnist.training.optimizers import RMSprop
from tests.forked import CONFIG

NO_DROPOUT = CONFIG.replace(
    "      - {type: dropout, name: Dropout_1, rate: 0.3}\n", ""
)  # drawn by each process


def fit(tmp_path: Path, processes: int, *extra: object) -> Path:
    """Run the program in `processes` processes; return the run folder."""
    config = tmp_path / "tiny.yaml"
    config.write_text(NO_DROPOUT)
    several = ["--trainer.devices", processes, "--trainer.strategy", "ddp"] if processes > 1 else []
    command = [
        sys.executable,
        "-m",
        "lit_mnist",
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
    done = subprocess.run(
        list(map(str, command)),
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
        found = losses(run)
        assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 1e-10
        summary = json.loads((run / "summary.json").read_text())
        assert summary["images"] == 360 and isinstance(summary["test/correct"], int)
        assert (
            summary["test/correct"]
            == json.loads((alone / "summary.json").read_text())["test/correct"]
        )


def shared_gradients(rank: int, world: int, folder: str, spec: NetworkSpec) -> None:
    """Along the steps of one process, gradients of shares of 65 images added up, against those of all 65.

    Errors are Euclidean, relative to the parameter's gradient. Of single elements they reach 4e-6 of the largest,
    but so does one process's own distance from float64; the sum of shares is nearer.
    """
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world
    )
    network = Network(spec, seed=1)
    optimizer, errors = RMSprop(network.parameters(), momentum=0.8), []
    data = load_dataset("digits")
    pixels, labels = (
        torch.from_numpy(data.train_images)[:, None].float(),
        torch.from_numpy(data.train_labels),
    )
    pixels = (pixels - pixels.mean()) / pixels.std()
    for start in range(0, 20 * 65, 65):
        images, wanted = pixels[start : start + 65], labels[start : start + 65]
        gradients = []
        for part, processes in ((slice(rank, None, world), world), (slice(None), 1)):
            optimizer.zero_grad()
            logits = network.training_logits(images[part])
            (
                data_loss(network, logits, wanted[part], 0.0, 65) + penalty(network) / processes
            ).backward()
            if processes > 1:
                reduce_gradients(network)
            gradients.append([p.grad.clone() for p in network.parameters()])
        errors += [float((a - b).norm() / b.norm()) for a, b in zip(*gradients, strict=True)]
        optimizer.step()
    Path(folder, f"{rank}.json").write_text(json.dumps(errors))
    dist.destroy_process_group()


@pytest.mark.parametrize(
    "world", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_float32_gradients_of_several_processes_are_those_of_one(
    tmp_path: Path, cnn_spec: NetworkSpec, world: int
) -> None:
    """Seen to fail where each share counts the same, whatever its number of images: 65 do not divide."""
    mp.spawn(shared_gradients, (world, str(tmp_path), cnn_spec), nprocs=world)
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
