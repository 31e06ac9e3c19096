"""Clipping and accumulation: Lightning's own keys, followed by our step, in every way that steps
are made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset

from lit_mnist.data.module import Batch
from lit_mnist.network import Network
from lit_mnist.runs.checkpoint import read_checkpoint
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.gradients import Clipping
from lit_mnist.training.optimizers import SGD
from lit_mnist.training.steps import Step
from tests.training.tiny import plain_trainer

Run = Callable[..., tuple[int, str, str]]
LAYERS = [
    {
        "type": "conv",
        "name": "Conv2D_1",
        "filters": 4,
        "kernel": 5,
        "stride": 3,
        "activation": "relu",
    },
    {"type": "flatten", "name": "Flatten"},
    {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax", "l2": 0.001},
]
CONFIG = yaml.safe_dump(
    {
        "trainer": {"max_epochs": 1},
        "data": {
            "dataset": "digits",
            "standardize": "unit",
            "validate_on": "none",
            "validation_fraction": 0.0,
        },
        "model": {
            "network": {"layers": LAYERS},
            "optimizer": {
                "class_path": "lit_mnist.training.optimizers.SGD",
                "init_args": {"learning_rate": 0.1},
            },
        },
    }
)


def parameters(scale: float, count: int = 3) -> list[torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(2)
    result = [torch.nn.Parameter(torch.zeros(4, 5)) for _ in range(count)] + [
        torch.nn.Parameter(torch.zeros(2))
    ]
    for parameter in result[:-1]:  # the last one is frozen: it has no gradient
        parameter.grad = scale * torch.randn(4, 5, generator=draw)
    return result


def gradients(of: list[torch.nn.Parameter]) -> torch.Tensor:
    return torch.stack([parameter.grad for parameter in of[:-1]])


def test_clipping_by_norm_is_torchs_but_for_its_epsilon() -> None:
    ours, theirs = parameters(3.0), parameters(3.0)
    Clipping(0.5)(ours)
    torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    assert torch.allclose(gradients(ours), gradients(theirs), rtol=1e-6, atol=0)
    assert float(torch.linalg.vector_norm(gradients(ours))) == pytest.approx(0.5, rel=1e-6)


def test_clipping_by_value_is_torchs() -> None:
    ours, theirs = parameters(3.0), parameters(3.0)
    Clipping(0.5, "value")(ours)
    torch.nn.utils.clip_grad_value_(theirs, 0.5)
    assert (
        torch.equal(gradients(ours), gradients(theirs))
        and float(gradients(ours).abs().max()) == 0.5
    )


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_small_gradients_are_left_alone_bit_for_bit(algorithm: str) -> None:
    ours = parameters(1e-3)
    Clipping(0.3, algorithm)(ours)
    assert torch.equal(gradients(ours), gradients(parameters(1e-3)))


def fit(run_cli: Run, folder: Path, *options: object) -> Path:
    folder.mkdir()
    (folder / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli("fit", "--config", folder / "tiny.yaml", "--runs_dir", folder, *options)
    assert code == 0, err
    return folder / "tiny/version_0"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "checkpoints/last.ckpt")["state_dict"]


@pytest.mark.parametrize(("algorithm", "order"), [("norm", 2), ("value", torch.inf)])
def test_a_clipped_run_moves_as_far_as_it_may(
    run_cli: Run, tmp_path: Path, algorithm: str, order: float
) -> None:
    """Seen to fail with the clipping left out of the step.

    One step of plain SGD moves by rate times the limit.
    """
    run = fit(
        run_cli,
        tmp_path / "run",
        "--trainer.gradient_clip_val",
        0.01,
        "--trainer.gradient_clip_algorithm",
        algorithm,
        "--trainer.max_steps",
        1,
    )
    start = LitClassifier({"layers": LAYERS}).network.state_dict()
    moved = torch.cat(
        [
            (value - start[name.removeprefix("network.")]).flatten()
            for name, value in weights(run).items()
            if name.startswith("network.")
        ]
    )
    assert float(torch.linalg.vector_norm(moved, order)) == pytest.approx(0.1 * 0.01, rel=1e-3)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (
        config["trainer"]["gradient_clip_val"],
        config["trainer"]["gradient_clip_algorithm"],
    ) == (0.01, algorithm)


def test_accumulated_batches_are_one_step(run_cli: Run, tmp_path: Path) -> None:
    """Two batches of 16 make the step of one batch of 32: its gradient, rate and count; images are
    in its order.
    """
    whole = fit(run_cli, tmp_path / "whole", "--data.batch_size", 32)
    halves = fit(
        run_cli,
        tmp_path / "halves",
        "--data.batch_size",
        16,
        "--trainer.accumulate_grad_batches",
        2,
    )
    first, second = (read_checkpoint(run / "checkpoints/last.ckpt") for run in (whole, halves))
    assert first["global_step"] == second["global_step"] == 45  # 1,437 digits
    assert_close(first["state_dict"], second["state_dict"])
    twice = fit(run_cli, tmp_path / "twice", "--data.batch_size", 16)
    assert not close(first["state_dict"], weights(twice))


def close(first: dict, second: dict) -> bool:
    return all(torch.allclose(first[key], second[key], rtol=1e-4, atol=1e-6) for key in first)


def assert_close(first: dict, second: dict) -> None:
    assert first.keys() == second.keys() and close(first, second)


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers|.*LeafSpec|.*no `val_dataloader`|.*logging interval"
)
def test_a_trainer_of_ones_own_is_followed_and_left_as_it_was() -> None:
    """With any loader: 10 batches of 8, three a step and the last one alone."""
    draw = torch.Generator().manual_seed(4)
    data = TensorDataset(
        torch.rand(80, 1, 28, 28, generator=draw), torch.randint(10, (80,), generator=draw)
    )

    def train(batch: int, accumulate: int) -> tuple[dict, int]:
        trainer = plain_trainer(gradient_clip_val=0.5, accumulate_grad_batches=accumulate)
        model = LitClassifier({"layers": LAYERS}, optimizer=lambda p: SGD(p, 0.1))
        trainer.fit(model, DataLoader(data, batch))
        assert (trainer.gradient_clip_val, trainer.accumulate_grad_batches) == (0.5, accumulate)
        return model.state_dict(), trainer.global_step

    (one, steps), (other, others) = train(24, 1), train(8, 3)
    assert steps == others == 4
    assert_close(one, other)


@pytest.mark.parametrize("value", ["-1", ".inf"])
def test_a_limit_that_cannot_be_is_refused_before_anything_is_written(
    run_cli: Run, tmp_path: Path, value: str
) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path / "runs",
        f"--trainer.gradient_clip_val={value}",
    )
    assert code == 2 and "trainer.gradient_clip_val" in err and "above 0" in err, err
    assert not list((tmp_path / "runs").rglob("config.yaml"))


@pytest.mark.parametrize("total", [6, 12])
def test_passes_of_a_batch_have_its_gradients(total: int) -> None:
    """Activities are regularised in every pass; seen to fail where only the first one counted."""
    layers = [
        {"type": "conv", "name": "Conv", "filters": 2, "activation": "relu", "l2": 0.1},
        {"type": "activity_regularization", "name": "Quiet", "l1": 0.02, "l2": 0.03},
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense", "units": 3, "activation": "softmax"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": [6, 6, 1], "layers": layers})
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(6, 1, 6, 6, generator=draw, dtype=torch.float64)
    labels = torch.randint(3, (6,), generator=draw)

    def results(images_per_pass: int | None) -> list[torch.Tensor]:
        network = Network(spec, 1).double()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        step = Step(network, optimizer, images_per_pass=images_per_pass)
        result = step.compute_gradients(Batch(images, labels, total))
        assert result.penalty is not None
        return [result.loss, result.penalty, *(p.grad for p in network.parameters())]

    whole = results(None)
    for size in (4, 2, 1):
        for one, other in zip(results(size), whole, strict=True):
            assert torch.allclose(one, other, rtol=1e-12)
