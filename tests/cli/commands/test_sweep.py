"""The command sweep on tiny networks: trials are ordinary runs, and the test images are read
once.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("optuna")

from lit_mnist.cli.training import run
from lit_mnist.studies.description import Setting, Study
from lit_mnist.studies.training import FitTraining
from tests.conftest import run_program

CONFIG = """\
seed_everything: 3
trainer: {max_epochs: 3}
model:
  network:
    layers:
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: 10, activation: softmax}
  optimizer: {class_path: lit_mnist.training.optimizers.SGD, init_args: {learning_rate: 0.01}}
data: {dataset: digits, batch_size: 32, standardize: unit}
"""
STUDY = """\
settings:
  rate: {keys: [model.optimizer.init_args.learning_rate], grid: [0.0001, 0.05]}
seeds: [1, 2]
options: {trainer.max_epochs: 1}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def sweep(config: Path, folder: Path, study: str, *more: object) -> tuple[int, str, str]:
    path = folder / "study.yaml"
    path.write_text(study, encoding="utf-8")
    out = folder / "out"
    return run_program("sweep", "--config", config, "--study", path, "--out", out, *more)


@pytest.fixture(scope="module")
def swept(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("sweep")
    code, out, err = sweep(config, folder, STUDY, "--workers", 2, "--json")
    assert code == 0, err
    return folder, json.loads(out)


def test_each_trial_is_an_ordinary_run_that_was_not_tested(swept: tuple[Path, dict]) -> None:
    folder, result = swept
    assert [row["values"]["rate"] for row in result["trials"]] == [0.0001, 0.05]
    for row in result["trials"]:
        assert list(row["runs"]) == ["1", "2"]
        for seed, path in row["runs"].items():
            summary = json.loads((Path(path) / "summary.json").read_text(encoding="utf-8"))
            assert summary["seed"] == int(seed)
            assert not [key for key in summary if key.startswith("test/")]
            assert row["by_seed"][int(seed) - 1] == summary["val/acc"]


def test_the_best_setting_is_tested_once(swept: tuple[Path, dict], config: Path) -> None:
    folder, result = swept
    assert result["best"]["values"] == {"rate": 0.05}
    assert result["best"]["mean"] > result["trials"][0]["mean"]
    code, out, err = run_program("test", "--ckpt_path", result["best"]["runs"]["2"], "--json")
    assert code == 0, err
    assert result["test"]["by_seed"][1] == json.loads(out)["test/acc"]


def test_the_same_command_trains_nothing_again(swept: tuple[Path, dict], config: Path) -> None:
    folder, result = swept
    code, out, err = sweep(config, folder, STUDY, "--json")
    assert code == 0, err
    again = json.loads(out)
    assert again["trials"] == result["trials"]
    assert len(list((folder / "out" / "runs").glob("*/version_*"))) == 4


def test_results_are_written_in_all_forms(swept: tuple[Path, dict]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, result = swept
    out = folder / "out"
    assert all(Path(path).is_file() for path in result["files"])
    page = (out / "sweep.html").read_text(encoding="utf-8")
    table = (out / "sweep.md").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 1
    for row in result["trials"]:
        assert f"{row['mean']:.4f}" in page
        assert f"{row['mean']:.4f}" in table
    events = EventAccumulator(str(out / "hparams" / "trial-1")).Reload()
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert events.Scalars("hp/val_acc")[0].value == pytest.approx(result["trials"][1]["mean"])


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (STUDY.replace("learning_rate]", "learning_rat]"), "learning_rat"),
        (STUDY.replace("[0.0001, 0.05]", "[0.0001, -1]"), "settings.rate = -1"),
        (STUDY + "objective: test/acc", "test images must not choose"),
        (
            "settings: {model.network.layers.Dense_9.units: {grid: [2]}}",
            "Dense_9",
        ),
        ("settings: {model.label_smoothing: {low: 0, high: 2}}\ntrials: 3", "label_smoothing = 2"),
    ],
)
def test_bad_studies_write_nothing(config: Path, tmp_path: Path, study: str, message: str) -> None:
    code, _, err = sweep(config, tmp_path, study)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_an_objective_on_test_images_by_way_of_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    text = CONFIG.replace("dataset: digits", "dataset: digits, validate_on: test")
    config.write_text(text, encoding="utf-8")
    code, _, err = sweep(config, tmp_path, STUDY)
    assert code == 2
    assert "data.validate_on test: test images must not choose" in err


def test_an_objective_on_test_images_by_way_of_an_option(config: Path, tmp_path: Path) -> None:
    study = STUDY.replace("max_epochs: 1", "max_epochs: 1, data.validate_on: test")
    code, _, err = sweep(config, tmp_path, study)
    assert code == 2
    assert "data.validate_on test: test images must not choose" in err


def test_options_replace_the_studys_own(config: Path, tmp_path: Path) -> None:
    one_seed = STUDY.replace("seeds: [1, 2]", "seeds: [1]")
    code, out, err = sweep(
        config, tmp_path, one_seed, "--options", "trainer.max_epochs=2", "--json"
    )
    assert code == 0, err
    for row in json.loads(out)["trials"]:
        summary = json.loads((Path(row["runs"]["1"]) / "summary.json").read_text(encoding="utf-8"))
        assert summary["epochs"] == 2


def test_an_option_that_a_setting_varies(config: Path, tmp_path: Path) -> None:
    key = "model.optimizer.init_args.learning_rate"
    code, _, err = sweep(config, tmp_path, STUDY, "--options", f"{key}=0.1")
    assert code == 2
    assert f"--options {key}" in err
    assert "'rate'" in err
    assert not (tmp_path / "out").exists()


def test_a_storage_out_of_reach(config: Path, tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/none"
    code, _, err = sweep(config, tmp_path, STUDY, "--storage", url)
    assert code == 2
    assert "cannot be reached" in err
    assert "secret" not in err
    assert not (tmp_path / "out").exists()


def test_a_trial_that_fails_leaves_the_others(config: Path, tmp_path: Path) -> None:
    study = "settings: {data.dataset: {grid: [digits, csv]}}\noptions: {trainer.max_epochs: 1}"
    code, out, err = sweep(config, tmp_path, study, "--json")
    assert code == 1, err
    assert "data.root" in json.loads(out)["trials"][1]["error"]
    states = [row["state"] for row in json.loads(out)["trials"]]
    assert states == ["complete", "failed"]


def test_an_interrupted_study_says_how_to_resume(config: Path, tmp_path: Path) -> None:
    """As Ctrl-C in the middle of a training."""

    def interrupt() -> None:
        log = tmp_path / "out" / "logs" / "trial-0-seed-1.log"
        while not (log.is_file() and "epoch 2/" in log.read_text(encoding="utf-8")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=interrupt, daemon=True).start()
    long = STUDY.replace("trainer.max_epochs: 1", "trainer.max_epochs: 2000")
    code, _, err = sweep(config, tmp_path, long)
    assert code == 128 + signal.SIGINT
    assert f"the same command resumes the study in {tmp_path / 'out'}" in err


def test_pruning_ends_a_run_early(config: Path, tmp_path: Path) -> None:
    reported = []

    def report(epoch: int, value: float) -> bool:
        reported.append(value)
        return epoch == 1

    study = Study("s", (Setting("rate", ("model.optimizer.init_args.learning_rate",), (0.05,)),))
    training = FitTraining(fit, str(config), (), tmp_path)
    result = training(study, 0, {"rate": 0.05}, report)
    assert result.pruned
    assert result.metrics["1"]["epochs"] == 2
    assert reported[-1] == result.by_seed["1"]


def fit(argv: list[str], callbacks: Sequence[object]) -> dict:
    return run("fit", argv, callbacks).data
