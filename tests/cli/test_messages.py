"""Wrong keys and values of the training commands: the message names the key, quotes the value and
says what is accepted.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import ROOT

Run = Callable[..., tuple[int, str, str]]
OPTIMIZERS = "lit_mnist.training.optimizers"
SCHEDULES = "lit_mnist.training.schedules"


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("data.batch_size", "abc", ["data.batch_size = 'abc'", "accepted: a whole number"]),
        ("data.validation_fraction", "x", ["= 'x'", "accepted: a number"]),
        ("trainer.max_epochs", "x", ["max_epochs = 'x'", "a whole number or null"]),
        ("model.average_decay", "x", ["average_decay = 'x'", "a number or null"]),
        ("model.run_frozen_once", "maybe", ["= 'maybe'", "true or false"]),
        ("data.augment", "5", ["data.augment = '5'", "data.augment.rotation, ", "or null"]),
        ("data.augment.rotation", "abc", ["data.augment.rotation = 'abc'", "accepted: a number"]),
        ("data.augment.rotatoin", "3", ["did you mean 'data.augment.rotation'?"]),
        ("data.features.kmean", "3", ["did you mean 'data.features.kmeans'?"]),
        ("model.distillation.weight", "1", ["needs teachers", "model.distillation.temperature"]),
        ("model.distillation.teachers", "runs/x", ["= 'runs/x'", "accepted: a list"]),
        (
            "model.optimizer.init_args.learning_rate",
            "abc",
            ["model.optimizer.init_args.learning_rate = 'abc'", "accepted: a number"],
        ),
        (
            "model.optimizer.init_args.momentun",
            "3",
            ["did you mean 'model.optimizer.init_args.momentum'?", "init_args.learning_rate"],
        ),
        ("model.schedule.init_args.stairs", "3", ["init_args.staircase'?", "decay_rate"]),
        (
            "model.optimizer.class_path",
            f"{OPTIMIZERS}.Nadm",
            [f"no class {OPTIMIZERS}.Nadm", f"did you mean '{OPTIMIZERS}.Nadam'?"],
        ),
        (
            "model.schedule.class_path",
            f"{SCHEDULES}.Cosin",
            [f"did you mean '{SCHEDULES}.Cosine'?", f"{SCHEDULES}.OneCycle"],
        ),
        ("model.optimizer", "Foo", ["= 'Foo'", f"the full name of a class, such as {OPTIMIZERS}"]),
        ("model.optimizer", "foo.Bar", ["= 'foo.Bar'", "the full name of a class"]),
        ("trainer.callbacks.class_path", "Foo", ["= 'Foo'", "lightning.pytorch.callbacks."]),
        ("trainer.precision", "bf16-true", ["= 'bf16-true'", "32-true, 64-true, bf16-mixed"]),
    ],
)
def test_wrong_settings(run_cli: Run, flag: str, value: str, words: list[str]) -> None:
    code, _, err = run_cli("fit", "--config", ROOT / "configs/cnn.yaml", f"--{flag}", value)
    message = err.strip().removeprefix("error: ")
    assert code == 2 and flag.split(".init_args")[0].removesuffix(".class_path") in message, err
    assert all(word in message for word in words), message
    jargon = ("Union", "Subtypes", "Namespace", "NestedArg", "class '", "typing.", "subclass")
    assert not any(word in message for word in jargon), message
