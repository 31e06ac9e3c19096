"""Whole runs by CUDA graphs: the same run as without.

On a CPU a stand-in replays; the rest needs a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from lit_mnist.errors import UserError
from lit_mnist.runs.checkpoint import read_checkpoint
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.cuda.graphs import GraphRunner, runner_for
from lit_mnist.training.steps import Step
from tests.training.cuda.test_graphs import LAYERS, graphed

Run = Callable[..., tuple[int, str, str]]
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="needs a CUDA device: benchmarks/gpu.sh runs this where one is",
)
CONFIG = yaml.safe_dump(
    {
        "seed_everything": 3,
        "trainer": {"max_epochs": 2, "log_every_n_steps": 10},
        "model": {
            "network": {"layers": [layer for layer in LAYERS if layer["type"] != "batch_norm"]},
            "optimizer": {"class_path": "lit_mnist.training.optimizers.Adam"},
            "schedule": {
                "class_path": "lit_mnist.training.schedules.OneCycle",
                "init_args": {"max_lr": 0.01},
            },
            "average_decay": 0.99,
        },
        "data": {
            "dataset": "digits",
            "batch_size": 64,
            "standardize": "unit",
            "augment": {"rotation": 5},
        },
    }
)


def test_graphs_on_a_cpu_are_refused_before_anything_is_written(
    run_cli: Run, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path / "runs",
        "--model.cuda_graphs",
        "true",
        "--trainer.accelerator",
        "cpu",
    )
    assert code == 2 and "model.cuda_graphs" in err and "auto, false" in err, err
    assert not (tmp_path / "runs").exists()


def fit(run_cli: Run, folder: Path, *options: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli("fit", "--config", folder / "tiny.yaml", "--runs_dir", folder, *options)
    assert code == 0, err
    return folder / "tiny/version_0"


def assert_equal_runs(first: Path, second: Path) -> None:
    states = [read_checkpoint(run / "checkpoints/last.ckpt") for run in (first, second)]
    assert states[0]["global_step"] == states[1]["global_step"]
    for key in ("state_dict", "trained_state", "training", "optimizer_states", "loops"):
        assert_same(states[0].get(key), states[1].get(key), key)
    assert (first / "metrics.csv").read_text() == (second / "metrics.csv").read_text()


def assert_same(first: object, second: object, where: str) -> None:
    if isinstance(first, Tensor):
        assert torch.equal(first.cpu(), second.cpu()), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for number, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{where}.{number}")
    else:
        assert first == second, where


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[GraphRunner]:
    """Has the program replay blocks on the CPU, by the stand-in; what it made."""
    runners: list[GraphRunner] = []

    def replaying(step: Step, rate: Callable, *_: object) -> GraphRunner:
        runners.append(graphed(step, rate))
        return runners[-1]

    monkeypatch.setattr("lit_mnist.training.classifier.runner_for", replaying)
    return runners


def fit_in_two(run_cli: Run, folder: Path, *options: object) -> Path:
    """The run that `fit` makes, cut off after its first block and gone on with by the same
    command.
    """
    step = LitClassifier.training_step

    def cut_off(self: LitClassifier, *arguments: object) -> None:
        if self.global_step:
            raise UserError("cut off")
        step(self, *arguments)

    options = (*options, "--checkpoint_every_steps", 1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError, match="cut off"):
        patch.setattr(LitClassifier, "training_step", cut_off)
        for place in (
            "training.callbacks",
            "runs.folder",
        ):  # this process lives on and would hold the lock
            patch.setattr(f"lit_mnist.{place}.Lock", lambda run: None)
        fit(run_cli, folder, *options)
    return fit(run_cli, folder, *options)


def test_a_run_by_replays_is_the_same_run(
    run_cli: Run, tmp_path: Path, made: list[GraphRunner]
) -> None:
    """Steps, rates, logs, checkpoints: bit for bit, on the CPU with a stand-in for the graph."""
    replayed = fit(run_cli, tmp_path / "replayed")
    assert made[0].recordings == 2  # 21 steps an epoch: blocks of 10, 10 and 1
    in_two = fit_in_two(run_cli, tmp_path / "in_two")
    assert len(made) == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lit_mnist.training.classifier.runner_for", runner_for)
        plain = fit(run_cli, tmp_path / "plain")
    assert_equal_runs(plain, replayed)
    assert_equal_runs(plain, in_two)


@needs_cuda
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--trainer.precision", "bf16-mixed"],
        ["--model.optimizer", "torch.optim.AdamW", "--model.weight_decay", "0.01"],
    ],
    ids=["float32", "bfloat16", "AdamW"],
)
def test_a_graph_run_equals_an_eager_run(
    run_cli: Run, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same launches, so the same bits, once cuDNN is told to take algorithms that repeat
    themselves.
    """
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    runs = [
        fit(
            run_cli,
            tmp_path / graphs,
            "--trainer.accelerator",
            "cuda",
            "--model.cuda_graphs",
            graphs,
            *options,
        )
        for graphs in ("true", "false")
    ]
    assert_equal_runs(*runs)


@needs_cuda
def test_a_graph_run_that_was_cut_off_goes_on_with_the_same_bits(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    cuda = ["--trainer.accelerator", "cuda", "--model.cuda_graphs", "true"]
    assert_equal_runs(
        fit(run_cli, tmp_path / "whole", *cuda), fit_in_two(run_cli, tmp_path / "in_two", *cuda)
    )


@needs_cuda
def test_the_training_loop_never_waits_for_the_gpu(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first and the last of 36 blocks nothing synchronises, with graphs and without.

    Logs every 10 steps and the look for NaN every 250 are among them.
    """
    from lit_mnist.training.history import Clock

    def strict(self: Clock, trainer: object, *_: object) -> None:
        torch.cuda.set_sync_debug_mode(
            "error" if 0 < trainer.fit_loop.epoch_loop.batch_idx < 34 else "default"
        )

    monkeypatch.setattr(Clock, "on_train_batch_start", strict, raising=False)
    try:
        for graphs in ("true", "false"):
            fit(
                run_cli,
                tmp_path / graphs,
                "--trainer.accelerator",
                "cuda",
                "--model.cuda_graphs",
                graphs,
                "--data.batch_size",
                "4",
            )
    finally:
        torch.cuda.set_sync_debug_mode("default")
