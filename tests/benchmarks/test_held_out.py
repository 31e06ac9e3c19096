"""`benchmarks.held_out` on answers whose errors and losses are known, and on a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.held_out import HeldOut, main, table
from tests.conftest import Run
from tests.training.tiny import TINY, fit

LABELS = np.array([0, 1, 2, 0])
# the last image is an error
SHARP = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.3, 0.6, 0.1]])


def flattened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(1, keepdims=True)


def test_loss_is_that_of_the_best_temperature() -> None:
    run = HeldOut("a", 1, SHARP, LABELS)
    losses = [
        -np.log(flattened(SHARP, t)[np.arange(4), LABELS]).mean() for t in np.linspace(0.3, 3, 500)
    ]
    assert run.errors == 1
    assert run.loss == pytest.approx(min(losses), rel=1e-3)
    unsure = HeldOut("a", 1, flattened(SHARP, 2.0), LABELS)
    assert unsure.loss == pytest.approx(run.loss, rel=1e-3)


def test_table_has_settings_splits_and_means() -> None:
    wrong = SHARP[:, [1, 0, 2]]
    runs = [
        HeldOut("a", 1, SHARP, LABELS),
        HeldOut("b", 2, SHARP, LABELS),
        HeldOut("a", 2, wrong, LABELS),
        HeldOut("a", 2, SHARP, LABELS),
    ]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table(runs).splitlines()]
    first, second = rows[2:]
    assert first[:4] == ["a", "3", "1: 1, 2: 2 1", "1.3"]
    assert first[5] == "1: 1, 2: 1"  # the mean of opposite answers is a tie, and the first wins
    assert second[:4] == ["b", "1", "2: 1", "1.0"] and second[5] == "–"


def test_runs_and_their_validation_images(
    run_cli: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = tmp_path / "tiny.yaml"
    tiny.write_text(TINY)
    run = Path(fit(run_cli, tiny, tmp_path, "--trainer.max_epochs", 2)["run"])
    shutil.copy(run / "initial_weights.safetensors", run / "checkpoints/best.ckpt")  # is not read
    assert main([str(run)]) == 0
    errors = int(capsys.readouterr().out.splitlines()[2].split("|")[3].split(":")[1])
    code, out, _ = run_cli("validate", "--ckpt_path", run / "checkpoints/last.ckpt")
    images = int(out.split(" of ")[1].split()[0])
    accuracy = float(out.split("accuracy ")[1].split()[0])
    assert code == 0 and accuracy == pytest.approx(100 * (1 - errors / images), abs=0.01)
    other = fit(run_cli, tiny, tmp_path, "--data.validate_on", "none", "--trainer.max_epochs", 1)
    assert main([other["run"]]) == 2
    assert "validated on none" in capsys.readouterr().err
