"""torch's schedulers by class path: the rates that torch itself would set, in every update."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.optim import lr_scheduler

from lit_mnist.runs.checkpoint import read_checkpoint
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.rates import RunRates
from lit_mnist.training.schedules import Constant, ScheduleError
from tests.training.test_gradients import CONFIG

Run = Callable[..., tuple[int, str, str]]
TORCH = "torch.optim.lr_scheduler"
NEVER_BETTER = (
    "--model.optimizer.learning_rate",
    1e-12,
    "--data.validate_on",
    "validation",
    "--data.validation_fraction",
    0.2,
)


def rates(make: Callable, interval: str | None, steps: int, per_epoch: int) -> list[float]:
    result = RunRates(make, interval)
    result.with_scheduler(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    result.start(steps, per_epoch)
    return [result.before(step) for step in range(steps)]


MAKES: dict[str, Callable] = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 12),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=12, cycle_momentum=False),
}


@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize("name", MAKES)
def test_rates_are_torchs(name: str, interval: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, expected = MAKES[name](optimizer), []
    per_epoch = 1 if interval == "step" else 4
    for _ in range(12):
        expected += [optimizer.param_groups[0]["lr"]] * per_epoch
        optimizer.step()
        if len(expected) < 12 * per_epoch:
            scheduler.step()
    assert rates(MAKES[name], interval, 12 * per_epoch, 4) == expected and len(set(expected)) > 2


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(ScheduleError, match="momentum.*cycle_momentum: false"):
        rates(lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=12), "step", 12, 4)
    with pytest.raises(ScheduleError, match="OneCycleLR ends after 12 steps, but the run makes 20"):
        rates(MAKES["OneCycleLR"], "step", 20, 4)
    with pytest.raises(
        ScheduleError, match="schedule_interval = 'epoch'.*Constant; accepted: step"
    ):
        RunRates(Constant(0.1), "epoch")
    with pytest.raises(
        ScheduleError, match="schedule_interval = 'step'.*ReduceLROnPlateau; accepted: epoch"
    ):
        RunRates(lr_scheduler.ReduceLROnPlateau, "step")
    with pytest.raises(ScheduleError, match="Factor"):
        RunRates(lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=2.0))


def fit(run_cli: Run, folder: Path, *options: object, code: int = 0) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG)
    result, _, err = run_cli(
        "fit",
        "--config",
        folder / "tiny.yaml",
        "--runs_dir",
        folder,
        "--trainer.max_epochs",
        4,
        *options,
    )
    assert result == code, err
    return err


def rates_by_epoch(folder: Path) -> list[float]:
    rows = csv.DictReader((folder / "tiny/version_0/metrics.csv").read_text().splitlines())
    return [float(row["lr"]) for row in rows if row["train/loss"]]


def test_a_scheduler_by_class_path(run_cli: Run, tmp_path: Path) -> None:
    fit(run_cli, tmp_path, "--model.schedule", f"{TORCH}.StepLR", "--model.schedule.step_size", 2)
    assert rates_by_epoch(tmp_path) == pytest.approx(
        [0.1, 0.01, 0.01, 0.001]
    )  # those of the next epoch


PLATEAU = (
    "--model.schedule",
    f"{TORCH}.ReduceLROnPlateau",
    "--model.schedule.patience",
    0,
    "--model.schedule.factor",
    0.5,
    "--model.schedule.threshold",
    0.1,
    "--model.schedule.eps",
    0.0,
    *NEVER_BETTER,
)


def test_reduce_on_plateau_reduces_and_resumes_where_it_stood(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is learnt, so that each epoch after the first is a plateau; and bit for bit so in two
    sessions.
    """
    fit(run_cli, tmp_path / "whole", *PLATEAU)
    assert rates_by_epoch(tmp_path / "whole") == pytest.approx(
        [1e-12, 5e-13, 2.5e-13, 1.25e-13], abs=0
    )
    with monkeypatch.context() as patch:
        start = LitClassifier.on_train_epoch_start

        def cut_off(self: LitClassifier) -> None:
            if self.current_epoch == 2:
                raise KeyError("cut off")
            start(self)

        patch.setattr(LitClassifier, "on_train_epoch_start", cut_off)
        for place in (
            "training.callbacks",
            "runs.folder",
        ):  # this process lives on and would hold the lock
            patch.setattr(f"lit_mnist.{place}.Lock", lambda run: None)
        with pytest.raises(KeyError, match="cut off"):
            fit(run_cli, tmp_path / "halves", *PLATEAU, "--checkpoint_every_seconds", 0)
    assert "resuming " in fit(
        run_cli, tmp_path / "halves", *PLATEAU, "--checkpoint_every_seconds", 0
    )
    assert rates_by_epoch(tmp_path / "halves") == rates_by_epoch(tmp_path / "whole")
    whole, halves = (
        read_checkpoint(tmp_path / name / "tiny/version_0/checkpoints/last.ckpt")
        for name in ("whole", "halves")
    )
    assert (
        whole["lr_schedulers"] == halves["lr_schedulers"]
        and whole["lr_schedulers"][0]["num_bad_epochs"] == 0
    )


def test_a_monitor_that_is_not_logged_is_refused_beforehand(run_cli: Run, tmp_path: Path) -> None:
    err = fit(
        run_cli,
        tmp_path,
        "--model.schedule",
        "lightning.pytorch.cli.ReduceLROnPlateau",
        "--model.schedule.monitor",
        "val_loss",
        *NEVER_BETTER,
        code=2,
    )
    assert "monitor = 'val_loss' is not logged" in err and "val/loss" in err, err
    assert not list(tmp_path.rglob("config.yaml"))
