"""NaN and infinity: noticed, named by step and layer, and never saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lit_mnist.data.prepare import Part
from lit_mnist.data.resident import Resident, resident
from lit_mnist.runs.checkpoint import read_checkpoint
from tests.forked import CONFIG

Run = Callable[..., tuple[int, str, str]]


def fit(run_cli: Run, tmp_path: Path, *extra: object) -> tuple[int, str]:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path,
        "--trainer.max_epochs",
        1,
        "--trainer.enable_progress_bar",
        "false",
        *extra,
    )
    return code, err


def assert_last_state_is_good(tmp_path: Path, before: int) -> None:
    content = read_checkpoint(tmp_path / "tiny/version_0/checkpoints/last.ckpt")
    assert content["global_step"] < before
    assert all(bool(tensor.isfinite().all()) for tensor in content["state_dict"].values())
    assert not (tmp_path / "tiny/version_0/summary.json").exists()


def test_an_image_with_nan_is_named_with_its_step(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail with the watch switched off, as in plain Lightning, which trains on."""

    def spoilt(part: Part, device: torch.device, dtype: torch.dtype) -> Resident:
        data = resident(part, device, dtype)
        if len(part) > 1000:  # training images
            data.images[torch.arange(400, 500)] = float("nan")
        return data

    monkeypatch.setattr("lit_mnist.data.module.resident", spoilt)
    code, err = fit(run_cli, tmp_path)
    assert code == 2 and "NaN or infinity at step" in err and "an input image" in err, err
    assert_last_state_is_good(tmp_path, 101)


def test_an_exploding_step_is_named_with_its_layer(run_cli: Run, tmp_path: Path) -> None:
    code, err = fit(
        run_cli,
        tmp_path,
        "--model.optimizer",
        "lit_mnist.training.optimizers.SGD",
        "--model.schedule",
        "lit_mnist.training.schedules.Constant",
        "--model.schedule.learning_rate",
        "1e30",
        "--checkpoint_every_seconds",
        0,
    )
    assert code == 2 and "NaN or infinity at step" in err, err
    assert "Conv2D_1" in err or "Dense_1" in err
    assert_last_state_is_good(tmp_path, 26)
