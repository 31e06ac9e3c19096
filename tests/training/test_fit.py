"""The rules of training, end to end on the embedded digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from lit_mnist.data.module import MNISTDataModule
from lit_mnist.runs.model import load_checkpoint, open_model
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.schedules import InverseTimeDecay, learning_rates
from tests.conftest import DIGIT_CONFIGS, ROOT, Run
from tests.training.tiny import TINY, fit

TWO_EPOCHS = ("--trainer.max_epochs", 2)


def test_learning_rates_are_the_sources() -> None:
    """The source prints 7.57920279e-05 after 12,194 steps and 1.31509732e-05 after 75,040."""
    rates = learning_rates(InverseTimeDecay(0.001, 1, 0.001), 75_040)
    assert (f"{rates[12_194]:.8e}", f"{rates[75_040]:.8e}") == ("7.57920279e-05", "1.31509732e-05")


def test_the_update_before_a_step_uses_the_count_before_it(
    tiny: Path, run_cli: Run, tmp_path: Path
) -> None:
    """One epoch of plain SGD under a staircase that halts after the first update: only that update
    may move.
    """
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
            Path(fit(run_cli, tiny, tmp_path / name, "--seed_everything", seed, *TWO_EPOCHS)["run"])
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
    first = fit(run_cli, tiny, tmp_path / "a", "--seed_everything", 3, *TWO_EPOCHS)
    start = Path(first["run"]) / "initial_weights.safetensors"
    again = fit(
        run_cli,
        tiny,
        tmp_path / "b",
        "--seed_everything",
        4,
        "--model.initial_weights",
        start,
        *TWO_EPOCHS,
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
    summary = fit(run_cli, tiny, tmp_path, "--model.average_decay", 0.9, *TWO_EPOCHS)
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


@pytest.mark.slow
@pytest.mark.mnist
def test_two_epochs_reach_98_7(run_cli: Run, tmp_path: Path, mnist_root: Path) -> None:
    summary = fit(run_cli, ROOT / "configs" / "cnn.yaml", tmp_path, "--trainer.max_epochs", 2)
    assert summary["dataset"] == "mnist" and summary["test/acc"] >= 0.987
