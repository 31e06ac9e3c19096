"""Wrong keys and values of the training commands: the message names the key, quotes the value and
says what is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keras_baseline.__main__ import main as keras_main
from keras_baseline.recipe import read_config, read_recipe
from lit_mnist.errors import UserError
from lit_mnist.files import parse_yaml
from tests.conftest import ROOT

Run = Callable[..., tuple[int, str, str]]
CNN = ROOT / "configs/cnn.yaml"
OPTIMIZERS = "lit_mnist.training.optimizers"
SCHEDULES = "lit_mnist.training.schedules"


SETTINGS = [
    ("data.batch_size", "abc", ["data.batch_size = 'abc'", "accepted: a whole number"]),
    ("data.batch_size", "null", ["data.batch_size = null"]),
    ("data.validation_fraction", "x", ["= 'x'", "accepted: a number"]),
    ("trainer.max_epochs", "[1, 2]", ["max_epochs = '[1, 2]'", "a whole number or null"]),
    ("model.average_decay", "x", ["average_decay = 'x'", "a number or null"]),
    ("model.run_frozen_once", "maybe", ["= 'maybe'", "true or false"]),
    ("model.cuda_graphs", "maybe", ["cuda_graphs = 'maybe'", "auto, true, false"]),
    ("checkpoint_every_seconds", "x", ["= 'x'", "a number, 0 or above"]),
    ("checkpoint_every_steps", "-4", ["= '-4'", "a whole number above 0 or null"]),
    ("data.augment", "5", ["data.augment = '5'", "data.augment.rotation, ", "or null"]),
    ("data.augment.rotation", "abc", ["data.augment.rotation = 'abc'", "accepted: a number"]),
    ("data.augment.rotatoin", "3", ["did you mean 'data.augment.rotation'?"]),
    ("data.features.kmean", "3", ["did you mean 'data.features.kmeans'?"]),
    ("model.distillation", "{weight: 0.5}", ["needs teachers", "temperature"]),
    ("model.distillation.teachers", "runs/x", ["= 'runs/x'", "accepted: a list"]),
    ("max_epochs", "3", ["did you mean 'trainer.max_epochs'?"]),
    ("data.seed", "3", ["accepted: --seed_everything"]),
    ("trainer.precision", "bf16-true", ["= 'bf16-true'", "32-true, 64-true, bf16-mixed"]),
    ("trainer.logger", "foo", ["= 'foo'", "lightning.pytorch.loggers or a list or true or false"]),
    ("trainer.callbacks", "5", ["= '5'", "a class of lightning.pytorch.callbacks"]),
    ("trainer.callbacks.class_path", "Foo", ["= 'Foo'", "lightning.pytorch.callbacks"]),
    ("trainer", "3", ["trainer = '3'", "trainer.KEY"]),
    ("seed_everything", "-1", ["= -1", "0 to 4294967295"]),
    ("runs_dir", "", ["--runs_dir ''", "a folder"]),
]
CLASSES = [
    ("optimizer.init_args.learning_rate", "abc", ["learning_rate = 'abc'", "accepted: a number"]),
    ("optimizer.init_args.momentun", "3", ["init_args.momentum'?", "init_args.learning_rate"]),
    ("optimizer.init_args.lr", "3", ["did you mean 'model.optimizer.init_args.learning_rate'?"]),
    ("optimizer.class_path", f"{OPTIMIZERS}.Nadm", [f"did you mean {OPTIMIZERS}.Nadam?"]),
    ("optimizer.class_path", "lit_mnist.optim.Adam", [f"did you mean {OPTIMIZERS}.Adam?"]),
    ("optimizer.class_path", "torch.nn.Linear", ["= 'torch.nn.Linear'", "or torch.optim"]),
    ("optimizer", "Adam", ["model.optimizer = 'Adam'", f"did you mean {OPTIMIZERS}.Adam?"]),
    ("optimizer", "os.path.join", ["= 'os.path.join'", f"a class of {OPTIMIZERS} or torch.optim"]),
    ("optimizer", "null", ["model.optimizer = null"]),
    ("schedule", "5", ["model.schedule = '5'", "torch.optim.lr_scheduler or null"]),
    ("schedule.init_args.stairs", "3", ["init_args.staircase'?", "decay_rate"]),
    ("schedule.class_path", f"{SCHEDULES}.Cosin", [f"did you mean {SCHEDULES}.Cosine?"]),
]
JARGON = ("Union", "Subtypes", "Namespace", "NestedArg", "class '", "typing.", "ubclass", "<")


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [*SETTINGS, *((f"model.{flag}", *others) for flag, *others in CLASSES)],
)
def test_wrong_settings(
    run_cli: Run, tmp_path: Path, flag: str, value: str, words: list[str]
) -> None:
    options = ["--config", CNN, "--data.dataset", "digits", "--runs_dir", tmp_path / "runs"]
    code, _, err = run_cli("fit", *options, f"--{flag}", value)
    message = err.strip().removeprefix("error: ")
    assert code == 2 and flag.split(".init_args")[0].removesuffix(".class_path") in message, err
    assert all(word in message for word in words), message
    assert not any(word in message for word in JARGON), message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer: {max_epoch: 3}", ["did you mean 'trainer.max_epochs'?"]),
        ("data: {dataste: mnist}", ["did you mean 'data.dataset'?"]),
        ("trainer: 5", ["trainer = 5", "keys and values"]),
        ("model:", ["model = null", "such as network"]),
        ("modle: {}", ["unknown key 'modle'", "'model'?", "base,"]),
        ("trainer: {max_epochs: 2, max_epochs: 3}", ["line 1", "'max_epochs' stands twice"]),
        ("data: [1, 2}", ["not YAML (line 1: expected ',' or ']', but got '}')"]),
        ("seed_everything: null", ["seed_everything = null", "0 to 4294967295"]),
        ("trainer: {callbacks: [3]}", ["trainer.callbacks = '3'", "pytorch.callbacks"]),
        (
            "trainer: {callbacks: [{class_path: lightning.pytorch.callbacks.EarlyStoping}]}",
            ["did you mean lightning.pytorch.callbacks.EarlyStopping?"],
        ),
        (
            "trainer: {callbacks: [{class_path: lightning.pytorch.callbacks.EarlyStopping}]}",
            ["trainer.callbacks: EarlyStopping needs monitor", "patience"],
        ),
        (
            "model: {optimizer: {class_path: torch.optim.SGD, init_args: [1]}}",
            ["model.optimizer.init_args = '[1]'", "keys and values"],
        ),
        (
            "model: {optimizer: {class_path: torch.optim.SGD, init_args: {lr: -1.0}}}",
            ["model.optimizer", "Invalid learning rate: -1.0"],
        ),
        (
            "model: {schedule: {class_path: torch.optim.lr_scheduler.StepLR, "
            "init_args: {step_size: 0}}}",
            ["model.schedule", "zero"],
        ),
    ],
)
def test_wrong_files(run_cli: Run, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "own.yaml").write_text(text)
    options = ["--config", tmp_path / "own.yaml", "--data.dataset", "digits"]
    code, _, err = run_cli("fit", "--config", CNN, *options, "--runs_dir", tmp_path / "runs")
    assert code == 2 and len(err.strip().splitlines()) == 1, err
    assert all(word in err for word in words), err
    assert not any(word in err for word in JARGON), err
    assert not (tmp_path / "runs").exists()


def test_sections_may_be_empty_or_in_files_of_their_own(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("dataset: digits\n")
    (tmp_path / "own.yaml").write_text(f"trainer:\ndata: {tmp_path / 'data.yaml'}\n")
    options = ["--config", CNN, "--config", tmp_path / "own.yaml", "--trainer.fast_dev_run", "true"]
    code, _, err = run_cli("fit", *options)
    assert code == 0, err


def test_merged_keys_stand_once() -> None:
    text = "a: &a {x: 1}\ndefs:\n  b: &b {<<: *a, x: 2}\nc: {<<: *b}\n"
    assert parse_yaml(text, "--config")["c"] == {"x": 2}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accumulate_grad_batches", 0),
        ("check_val_every_n_epoch", 0),
        ("max_epochs", -3),
        ("limit_train_batches", -1),
        ("limit_val_batches", 1.5),
    ],
)
def test_numbers_that_lightning_would_refuse_late(
    run_cli: Run, tmp_path: Path, key: str, value: float
) -> None:
    options = ["--config", CNN, "--data.dataset", "digits", "--runs_dir", tmp_path / "runs"]
    code, _, err = run_cli("fit", *options, f"--trainer.{key}", value)
    assert code == 2 and f"trainer.{key} = {value} cannot work; accepted: a whole number" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ft"], ["unknown command 'ft'", "did you mean 'fit'?"]),
        ([], ["no command", "fit, evaluate, predict, summary"]),
        (["fit", "--ckpt_pth", "x"], ["unknown option '--ckpt_pth'", "'--ckpt_path'?"]),
        (["fit", "--config"], ["--config: expected one argument"]),
        (["fit", "--config", str(CNN), "--recipe", "kras"], ["recipe = 'kras'"]),
    ],
)
def test_wrong_commands_of_the_keras_baseline(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    assert keras_main(arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and all(word in err for word in words), err


def test_commands_without_what_they_need(run_cli: Run, tmp_path: Path) -> None:
    code, _, err = run_cli("convert")
    assert code == 2 and "needs --source and --out" in err
    picture = tmp_path / "nowhere.jpg"
    code, _, err = run_cli("style", "--content", picture, "--style", picture)  # not VGG19's weights
    assert code == 2 and f"image '{picture}': no such file" in err


def test_an_argument_without_an_option(run_cli: Run) -> None:
    code, _, err = run_cli("fit", "--config", CNN, "foo")
    assert code == 2 and "argument 'foo' belongs to no option" in err


def test_a_module_that_fails_is_not_imported_again(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AttributeError within the user's own module ended in a traceback."""
    (tmp_path / "own_optimizers.py").write_text("import torch\ntorch.no_such_function\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, _, err = run_cli("fit", "--config", CNN, "--model.optimizer", "own_optimizers.Mine")
    assert code == 2 and "own_optimizers.Mine" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("seed_everything", "abc", ["seed_everything = 'abc'"]),
        ("trainer.callbacks", "foo", ["trainer.callbacks = 'foo'", "class_path"]),
        ("data.validation_fraction", "abc", ["data.validation_fraction = 'abc'"]),
    ],
)
def test_wrong_settings_of_the_keras_baseline(flag: str, value: str, words: list[str]) -> None:
    config = read_config(CNN, [f"{flag}={value}"])
    with pytest.raises(UserError) as caught:
        read_recipe(config, "cnn")
    assert all(word in str(caught.value) for word in words)
