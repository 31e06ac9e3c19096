"""fit from end to end: what it writes, what it reaches, that it repeats itself, and that faults are noticed."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from lit_mnist.data import prepare
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.runs.model import load_checkpoint, open_model
from lit_mnist.training.callbacks import EpochHistory, History
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.schedules import InverseTimeDecay, learning_rates
from tests.conftest import DIGIT_CONFIGS, ROOT, Run, has_mnist

SUMMARY_KEYS = {
    "test/acc",
    "test/loss",
    "test/correct",
    "images",
    "val/acc",
    "val/acc_best",
    "val/acc_best_epoch",
    "parameters",
    "dataset",
    "split",
    "seed",
    "epochs",
    "weights",
    "confusion_matrix",
    "images_per_second",
    "wall_seconds",
    "versions",
    "hardware",
}
TINY = """
model:
  network:
    layers:
      - {type: conv, name: Conv2D_1, filters: 6, kernel: 5, stride: 2, activation: relu}
      - {type: pool, name: Max_Pool_1}
      - {type: dropout, name: Dropout_1, rate: 0.1}
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: 10, activation: softmax, l2: 0.001}
  optimizer: {class_path: lit_mnist.training.optimizers.RMSprop, init_args: {momentum: 0.5}}
data: {dataset: digits, batch_size: 32, validation_fraction: 0.2}
trainer: {max_epochs: 4}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small network on the embedded digits, dropout included."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def fit(run_cli: Run, config: Path, runs: Path, *options: object) -> dict:
    """Train anew and return the summary."""
    code, out, err = run_cli(
        "fit", "--config", config, "--runs_dir", runs, "--resume", "false", *options, "--json"
    )
    assert code == 0, err
    return json.loads(out)


def metrics(run: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``."""
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


# ---- what a run is


def test_run_folder(trained_run: Path) -> None:
    written = {path.name for path in trained_run.iterdir()}
    assert {
        "config.yaml",
        "metrics.csv",
        "training_curves.png",
        "checkpoints",
        "initial_weights.safetensors",
        "summary.json",
    } <= written
    assert any(name.startswith("events.out.tfevents") for name in written)
    assert {"best.ckpt", "last.ckpt"} <= {
        path.name for path in (trained_run / "checkpoints").iterdir()
    }
    assert not [path for path in trained_run.rglob("*") if path.name.endswith(".part")]


def test_summary(trained_run: Path) -> None:
    summary = json.loads((trained_run / "summary.json").read_text())
    assert set(summary) >= SUMMARY_KEYS
    matrix = np.array(summary["confusion_matrix"])
    assert matrix.sum() == summary["images"] and np.trace(matrix) == summary["test/correct"]
    assert summary["test/acc"] == summary["test/correct"] / summary["images"]
    assert summary["dataset"] == ("mnist" if has_mnist() else "digits")
    assert summary["parameters"] == 208_982 and summary["split"] == "official"
    assert "best validation" in summary["weights"]


def test_accuracy_after_one_epoch(trained_run: Path) -> None:
    """98.1 % (validation, MNIST, seed 1) was measured; 97.5 leaves room for other arithmetic, not for a fault."""
    summary = json.loads((trained_run / "summary.json").read_text())
    assert summary["test/acc"] >= (0.975 if has_mnist() else 0.90)


def test_the_history_goes_to_the_last_epoch_whichever_was_best(
    tiny: Path, run_cli: Run, tmp_path: Path
) -> None:
    """Testing the best checkpoint once set the history back to its epoch."""
    summary = fit(
        run_cli, tiny, tmp_path / "runs", "--model.optimizer.init_args.learning_rate", 1e-12
    )
    assert (
        summary["val/acc_best_epoch"] == 1
    )  # nothing is learnt, so the first epoch stays the best
    assert summary["epochs"] == 4 and all(
        len(values) == 4 for values in summary["history"].values()
    )


def test_epochs_without_validation_stand_in_the_history_as_such(
    tiny: Path, run_cli: Run, tmp_path: Path
) -> None:
    """The lists were shorter than the epochs once, and later epochs repeated the last validation's figures."""
    summary = fit(
        run_cli,
        tiny,
        tmp_path / "runs",
        "--trainer.check_val_every_n_epoch",
        2,
        "--trainer.max_epochs",
        5,
    )
    history = summary["history"]
    assert (
        history["epochs"] == [1, 2, 3, 4, 5]
        and len(history["train_acc"]) == len(history["train_loss"]) == 5
    )
    for key in ("val_acc", "val_loss"):
        assert [value is None for value in history[key]] == [True, False, True, False, True]
    assert summary["val/acc"] == history["val_acc"][3] and summary["val/acc_best_epoch"] in (2, 4)
    assert (Path(summary["run"]) / "training_curves.png").is_file()


def test_curves_of_short_epochs_are_not_drawn_each_time(tmp_path: Path) -> None:
    """Drawing takes a twentieth of the time at most, and the last state is always drawn."""
    drawn: list[int] = []

    def draw(history: History, path: Path) -> None:
        drawn.append(len(history.epochs))
        time.sleep(0.05)

    callback, trainer = (
        EpochHistory(draw),
        SimpleNamespace(is_global_zero=True, loggers=[1], log_dir=tmp_path),
    )
    callback.on_train_start(trainer, None)
    for trainer.current_epoch in range(8):
        callback.on_train_epoch_end(
            trainer, SimpleNamespace(epoch_metrics={"train/acc": 0.5, "train/loss": 1.0})
        )
    assert drawn == [1]
    callback.on_train_end(trainer, None)
    callback.on_train_end(trainer, None)
    assert drawn == [1, 8]


def test_metrics_hold_the_penalty_apart(trained_run: Path) -> None:
    rows = metrics(trained_run)
    row = next(row for row in rows if row["train/loss"])
    total, data, extra = (float(row[f"train/{key}"]) for key in ("loss", "data_loss", "penalty"))
    assert total == pytest.approx(data + extra, rel=1e-6)
    assert float(row["train/penalty_share"]) == pytest.approx(extra / total, rel=1e-5)


def test_test_repeats_the_summary(run_cli: Run, trained_run: Path) -> None:
    code, out, err = run_cli(
        "test", "--ckpt_path", trained_run, "--json", "--data.download", "false"
    )
    assert code == 0, err
    summary = json.loads((trained_run / "summary.json").read_text())
    found = json.loads(out)
    assert (found["test/correct"], found["images"]) == (summary["test/correct"], summary["images"])
    assert found["confusion_matrix"] == summary["confusion_matrix"]
    assert found["test/loss"] == pytest.approx(summary["test/loss"], rel=1e-5)


def test_validate_and_predict(run_cli: Run, trained_run: Path) -> None:
    code, out, err = run_cli(
        "validate", "--ckpt_path", trained_run, "--json", "--data.download", "false"
    )
    assert code == 0, err
    summary = json.loads((trained_run / "summary.json").read_text())
    assert json.loads(out)["val/acc"] == pytest.approx(summary["val/acc_best"], abs=1e-6)
    code, out, err = run_cli(
        "predict", "--ckpt_path", trained_run, "--json", "--data.download", "false"
    )
    assert code == 0, err
    found = json.loads(out)
    assert (
        found["correct"] == summary["test/correct"]
        and len(found["predictions"]) == summary["images"]
    )


@pytest.mark.mnist
def test_the_first_ten_test_digits(run_cli: Run, trained_run: Path, mnist_root: Path) -> None:
    ids = [f"test:{number}" for number in range(10)]
    code, out, err = run_cli("predict", "--ckpt_path", trained_run, "--images", *ids, "--json")
    assert code == 0, err
    found = json.loads(out)["images"]
    assert [entry["predicted"] for entry in found] == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert all(abs(sum(entry["probabilities"]) - 1) < 1e-6 for entry in found)


# ---- the rules of training


def test_learning_rates_are_the_sources() -> None:
    """The source prints 7.57920279e-05 after 12,194 steps and 1.31509732e-05 after 75,040."""
    rates = learning_rates(InverseTimeDecay(0.001, 1, 0.001), 75_040)
    assert (f"{rates[12_194]:.8e}", f"{rates[75_040]:.8e}") == ("7.57920279e-05", "1.31509732e-05")


def test_the_reported_rate_is_that_of_the_next_step(trained_run: Path) -> None:
    rows = [row for row in metrics(trained_run) if row["train/loss"]]
    steps = int(float(rows[-1]["step"]))
    assert float(rows[-1]["lr"]) == pytest.approx(0.001 / (1 + 0.001 * steps), rel=1e-6)


def test_the_update_before_a_step_uses_the_count_before_it(
    tiny: Path, run_cli: Run, tmp_path: Path
) -> None:
    """One epoch of plain SGD under a staircase that halts after the first update: only that update may move."""
    settings = yaml.safe_load(TINY)
    settings["model"]["optimizer"] = {"class_path": "lit_mnist.training.optimizers.SGD"}
    settings["model"]["schedule"] = {
        "class_path": "lit_mnist.training.schedules.ExponentialDecay",
        "init_args": {
            "initial_learning_rate": 0.5,
            "decay_steps": 1,
            "decay_rate": 1e-30,
            "staircase": True,
        },
    }
    settings["model"]["network"]["layers"] = [
        layer for layer in settings["model"]["network"]["layers"] if layer["type"] != "dropout"
    ]
    tiny.write_text(yaml.safe_dump(settings))
    summary = fit(run_cli, tiny, tmp_path / "runs", "--trainer.max_epochs", 1)
    trained = open_model(Path(summary["run"])).network.state_dict()
    module = MNISTDataModule(dataset="digits", batch_size=32, validation_fraction=0.2)
    classifier = LitClassifier(settings["model"]["network"])
    from lit_mnist.data import permutation
    from lit_mnist.training.losses import data_loss, penalty

    first = permutation(1, 0, len(module.prepared.train))[:32]
    images = torch.from_numpy(module.prepared.train.images[first]).unsqueeze(1)
    labels = torch.from_numpy(module.prepared.train.labels[first])
    network = classifier.network
    (data_loss(network, network(images), labels) + penalty(network)).backward()
    for name, parameter in network.named_parameters():
        expected = parameter.detach() - 0.5 * parameter.grad
        assert torch.allclose(trained[name], expected, atol=2e-6), name


def test_the_same_seed_gives_the_same_bits(tiny: Path, run_cli: Run, tmp_path: Path) -> None:
    states = [
        load_checkpoint(
            Path(fit(run_cli, tiny, tmp_path / name, "--seed_everything", seed)["run"])
            / "checkpoints"
            / "last.ckpt"
        )["state_dict"]
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    ]
    same = [
        all(torch.equal(states[0][key], other[key]) for key in states[0]) for other in states[1:]
    ]
    assert same == [True, False]


def test_initial_weights_start_another_run_from_the_same_point(
    tiny: Path, run_cli: Run, tmp_path: Path
) -> None:
    first = fit(run_cli, tiny, tmp_path / "a", "--seed_everything", 3)
    start = Path(first["run"]) / "initial_weights.safetensors"
    again = fit(
        run_cli, tiny, tmp_path / "b", "--seed_everything", 4, "--model.initial_weights", start
    )
    assert start.read_bytes() == (Path(again["run"]) / "initial_weights.safetensors").read_bytes()
    assert again["steps"] == first["steps"]  # the count starts at zero again


@pytest.mark.parametrize("config", DIGIT_CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_trains(config: Path, run_cli: Run) -> None:
    """One step on the embedded digits: every key of every shipped YAML is understood."""
    code, _, err = run_cli(
        "fit", "--config", config, "--data.dataset", "digits", "--trainer.fast_dev_run", "true"
    )
    assert code == 0, err


def test_weight_decay_spares_the_biases(tiny: Path) -> None:
    layers = yaml.safe_load(TINY)["model"]["network"]
    classifier = LitClassifier(
        layers, optimizer=lambda groups: torch.optim.AdamW(groups, lr=0.1), weight_decay=0.5
    )
    optimizer = classifier.configure_optimizers()
    decays = {
        parameter.dim() > 1: group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert decays == {True: 0.5, False: 0.0}
    coupled = LitClassifier(
        layers, optimizer=lambda groups: torch.optim.Adam(groups), weight_decay=0.5
    )
    with pytest.raises(ValueError, match="0.5.*Adam would add it.*AdamW"):
        coupled.configure_optimizers()


def test_averaged_weights_are_what_is_tested(tiny: Path, run_cli: Run, tmp_path: Path) -> None:
    summary = fit(run_cli, tiny, tmp_path, "--model.average_decay", 0.9)
    assert summary["weights"].startswith("averaged")
    content = load_checkpoint(Path(summary["run"]) / "checkpoints" / "last.ckpt")
    key = "network.Dense_1.dense.weight"
    assert not torch.equal(content["state_dict"][key], content["trained_state"]["weights"][key])


def test_stop_at_a_threshold(tiny: Path, run_cli: Run, tmp_path: Path) -> None:
    settings = yaml.safe_load(TINY)
    settings["trainer"] = {
        "max_epochs": 50,
        "callbacks": [
            {
                "class_path": "lit_mnist.training.callbacks.StopAtAccuracy",
                "init_args": {"threshold": 0.9},
            }
        ],
    }
    tiny.write_text(yaml.safe_dump(settings))
    code, out, err = run_cli("fit", "--config", tiny, "--runs_dir", tmp_path / "runs", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert "Reached 90% accuracy so cancelling training!" in err
    reached = [value > 0.9 for value in summary["history"]["train_acc"]]
    assert reached == [False] * (len(reached) - 1) + [True] and len(reached) < 50


# ---- planted faults


def test_swapped_labels_are_noticed(
    tiny: Path, run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accuracy of a sound run would not be reached."""
    sound = fit(run_cli, tiny, tmp_path / "sound")["test/acc"]
    assert sound >= 0.85

    def swapped(*args: object, **kwargs: object):
        prepared = prepare(*args, **kwargs)
        prepared.train.labels[:] = (prepared.train.labels + 1) % 10
        return prepared

    monkeypatch.setattr("lit_mnist.data.module.prepare", swapped)
    assert fit(run_cli, tiny, tmp_path / "faulty")["test/acc"] < 0.2


def check_standardised(module: MNISTDataModule) -> None:
    """The images that training is given have mean 0 and deviation 1 at each pixel that varies."""
    images = module.prepared.train.images
    deviation = images.std(axis=0)
    assert np.abs(images.mean(axis=0)).max() < 1e-5
    assert np.abs(deviation[deviation > 0] - 1).max() < 1e-4


def test_unstandardised_input_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracy would not tell: a network trained on standardised digits reads most raw ones too."""
    check_standardised(MNISTDataModule(dataset="digits"))
    monkeypatch.setattr(
        "lit_mnist.data.standardize.Standardizer.apply",
        lambda self, pixels: pixels.astype(np.float32),
    )
    with pytest.raises(AssertionError):
        check_standardised(MNISTDataModule(dataset="digits"))


def test_a_schedule_off_by_one_step_is_noticed() -> None:
    rates = learning_rates(InverseTimeDecay(0.001, 1, 0.001), 75_041)[1:]
    assert (f"{rates[12_194]:.8e}", f"{rates[75_040]:.8e}") != ("7.57920279e-05", "1.31509732e-05")
    assert f"{rates[12_194]:.8e}" != "7.57920279e-05" and f"{rates[75_040]:.8e}" != "1.31509732e-05"


@pytest.mark.slow
@pytest.mark.mnist
def test_two_epochs_reach_98_7(run_cli: Run, tmp_path: Path, mnist_root: Path) -> None:
    summary = fit(run_cli, ROOT / "configs" / "cnn.yaml", tmp_path, "--trainer.max_epochs", 2)
    assert summary["dataset"] == "mnist" and summary["test/acc"] >= 0.987


def test_without_a_logger_nothing_is_written(tiny: Path, run_cli: Run, in_tmp: Path) -> None:
    code, out, err = run_cli("fit", "--config", tiny, "--trainer.logger", "false", "--json")
    assert code == 0, err
    assert json.loads(out)["run"] is None and [path.name for path in in_tmp.iterdir()] == [
        "tiny.yaml"
    ]
