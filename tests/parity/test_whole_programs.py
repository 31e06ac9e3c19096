"""The two programs themselves, from the same YAML to their last weights: nothing between can be
different.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from keras_baseline.__main__ import main as keras_main
from keras_baseline.model import get_weights
from keras_baseline.recipe import read_config, read_recipe
from keras_baseline.training import compiled_model, train
from lit_mnist.comparison.parity.checks import difference
from lit_mnist.comparison.parity.keras_side import floatx
from lit_mnist.data import prepare
from lit_mnist.runs.model import load_checkpoint
from lit_mnist.spec.weights import from_torch
from tests.conftest import Run

pytestmark = [
    pytest.mark.keras,  # Keras 3.15 on NumPy 2.4 warns of its own conversion of tensors to arrays
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
CONFIG = """
recipe: keras
seed_everything: 4
trainer: {max_epochs: 3}
model:
  network:
    layers:
      - {type: conv, name: Conv2D_1, filters: 4, kernel: 3, activation: relu}
      - {type: pool, name: Max_Pool_1, size: 4}
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: 12, activation: relu, l2: 0.001}
      - {type: dense, name: Dense_2, units: 10, activation: softmax, l2: 0.001}
  optimizer: {class_path: lit_mnist.training.optimizers.RMSprop, init_args: {momentum: 0.8}}
  schedule:
    class_path: lit_mnist.training.schedules.InverseTimeDecay
    init_args: {initial_learning_rate: 0.001, decay_steps: 1, decay_rate: 0.001}
data: {dataset: digits, batch_size: 64, validation_fraction: 0.1, validation: tail}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


def test_fit_ends_at_the_same_weights_in_float64(
    config: Path, tmp_path: Path, run_cli: Run
) -> None:
    """Lightning's run of three epochs against Keras' own `fit`: order, rates, losses, last
    batches.
    """
    code, out, err = run_cli(
        "fit",
        "--config",
        config,
        "--trainer.precision",
        "64-true",
        "--runs_dir",
        tmp_path,
        "--json",
    )
    assert code == 0, err
    summary = json.loads(out)
    recipe = read_recipe(read_config(config), "small_keras")
    with floatx("float64"):
        model = compiled_model(recipe, "float64")
        trained = train(recipe, model, prepare(recipe.data), tmp_path)
        model.load_weights(tmp_path / "checkpoints" / "last.keras")
        theirs = get_weights(model, recipe.spec)
    state = load_checkpoint(Path(summary["run"]) / "checkpoints" / "last.ckpt")["state_dict"]
    ours = from_torch(
        recipe.spec,
        {
            key.removeprefix("network."): tensor.numpy()
            for key, tensor in state.items()
            if key.startswith("network.")
        },
    )
    for name in theirs:
        assert ours[name].dtype == np.float64
        assert difference(ours[name], theirs[name]).absolute < 1e-12, name
    for mine, keras in (
        ("train_loss", "loss"),
        ("train_acc", "accuracy"),
        ("val_loss", "val_loss"),
        ("val_acc", "val_accuracy"),
    ):
        assert difference(summary["history"][mine], trained["history"][keras]).absolute < 1e-6, mine


def test_the_baseline_writes_the_same_run_folder(
    config: Path, tmp_path: Path, run_cli: Run, capsys: pytest.CaptureFixture
) -> None:
    code, out, _ = run_cli(
        "fit", "--config", config, "--runs_dir", tmp_path, "--trainer.max_epochs", "1", "--json"
    )
    assert code == 0
    ours = json.loads(out)
    assert (
        keras_main(
            [
                "fit",
                "--config",
                str(config),
                "--runs_dir",
                str(tmp_path),
                "--trainer.max_epochs",
                "1",
                "--json",
            ]
        )
        == 0
    )
    theirs = json.loads(capsys.readouterr().out)
    assert set(ours) - set(theirs) == set()
    assert set(theirs) - set(ours) == {"framework"}
    for key in (
        "images",
        "parameters",
        "dataset",
        "split",
        "seed",
        "epochs",
        "steps",
        "train_images",
        "validated_on",
    ):
        assert ours[key] == theirs[key], key
    assert abs(ours["test/acc"] - theirs["test/acc"]) < 0.02
    mine, keras = Path(ours["run"]), Path(theirs["run"])
    for name in (
        "config.yaml",
        "metrics.csv",
        "training_curves.png",
        "initial_weights.safetensors",
        "summary.json",
    ):
        assert (mine / name).is_file() and (keras / name).is_file(), name
    sizes = [(run / "initial_weights.safetensors").stat().st_size for run in (mine, keras)]
    assert sizes[0] == sizes[1]


def test_the_baseline_evaluates_and_predicts(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert keras_main(["fit", "--config", str(config), "--runs_dir", str(tmp_path), "--json"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert keras_main(["evaluate", "--ckpt_path", fitted["run"], "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    assert evaluated["test/correct"] == fitted["test/correct"]
    assert abs(evaluated["test/loss"] - fitted["test/loss"]) < 1e-6
    assert (
        keras_main(
            ["predict", "--ckpt_path", fitted["run"], "--images", "test:0", "test:5", "--json"]
        )
        == 0
    )
    predicted = json.loads(capsys.readouterr().out)["predictions"]
    assert [entry["image"] for entry in predicted] == ["test:0", "test:5"]
    assert all(abs(sum(entry["probabilities"]) - 1) < 1e-5 for entry in predicted)
    assert keras_main(["summary", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == fitted["parameters"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["fit"], ["--config"]),
        (["fit", "--config", "nowhere.yaml"], ["nowhere.yaml"]),
        (["fit", "--config", "CONFIG", "--recipe.x", "1"], ["recipe"]),
        (
            ["fit", "--config", "CONFIG", "--model.label_smoothing", "0.1"],
            ["model.label_smoothing", "0.1"],
        ),
        (
            ["fit", "--config", "CONFIG", "--model.optimizer", "torch.optim.AdamW"],
            ["torch.optim.AdamW", "RMSprop"],
        ),
        (["fit", "--config", "CONFIG", "--trainer.max_epochs", "0"], ["trainer.max_epochs", "0"]),
        (
            ["fit", "--config", "CONFIG", "--trainer.precision", "bf16-mixed"],
            ["trainer.precision", "bf16-mixed"],
        ),
        (["fit", "--config", "CONFIG", "--data.augment", "{rotation: 5}"], ["data.augment"]),
        (["evaluate", "--ckpt_path", "nowhere"], ["nowhere"]),
    ],
)
def test_refusals_name_the_key(
    config: Path, argv: list[str], words: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert keras_main([str(config) if word == "CONFIG" else word for word in argv]) == 2
    message = capsys.readouterr().err.strip()
    assert all(word in message for word in words), message
    assert len(message.splitlines()) == 1


def test_torch_recipes_are_refused(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(CONFIG.replace("recipe: keras", "recipe: torch"))
    assert keras_main(["fit", "--config", str(path)]) == 2
    assert "recipe" in capsys.readouterr().err
