"""TensorBoard's HParams page: the settings that people compare runs by."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from tests.conftest import run_program
from tests.forked import CONFIG


def hyperparameters(run: Path) -> dict[str, object]:
    events = EventAccumulator(str(run)).Reload()
    metadata = events.summary_metadata["_hparams_/session_start_info"]
    values = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    return {key: getattr(value, value.WhichOneof("kind")) for key, value in values.items()}


def test_the_default_run(trained_run: Path) -> None:
    result = hyperparameters(trained_run)
    assert {
        key: result[key] for key in ("optimizer", "momentum", "schedule", "l2", "batch_size")
    } == {
        "optimizer": "RMSprop",
        "momentum": 0.8,
        "schedule": "InverseTimeDecay",
        "l2": 0.001,
        "batch_size": 64,
    }
    assert result["learning_rate"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("optimizer", "momentum", "rate"),
    [("lit_mnist.training.optimizers.Adam", 0.9, 0.01), ("torch.optim.SGD", 0.0, 0.01)],
)
def test_other_optimizers(tmp_path: Path, optimizer: str, momentum: float, rate: float) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    code, _, err = run_program(
        "fit",
        "--config",
        config,
        "--model.optimizer",
        optimizer,
        "--runs_dir",
        tmp_path,
        "--trainer.max_epochs",
        1,
    )
    assert code == 0, err
    result = hyperparameters(tmp_path / "tiny" / "version_0")
    assert (result["optimizer"], result["momentum"]) == (optimizer.rpartition(".")[2], momentum)
    assert result["learning_rate"] == pytest.approx(rate)
