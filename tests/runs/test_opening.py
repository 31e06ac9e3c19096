"""What a checkpoint, a run folder or a folder of runs opens as, from the command line and from
Python.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset

from lit_mnist import LitClassifier, MNISTDataModule, open_model
from lit_mnist.data import load_dataset
from lit_mnist.errors import UserError
from lit_mnist.runs.checkpoint import read_checkpoint
from lit_mnist.training.checkpoints import CheckedFiles, KeepLast
from lit_mnist.training.optimizers import Adam
from lit_mnist.training.schedules import Cosine
from tests.conftest import Run
from tests.forked import CONFIG

IGNORED = (
    ".*does not have many workers",
    "The number of training batches",
    ".*LeafSpec",
    ".*no `val_dataloader`",
    "Starting from v1.9.0",
)  # Lightning's own remarks on a plain Trainer
pytestmark = pytest.mark.filterwarnings(*(f"ignore:{message}" for message in IGNORED))


@pytest.fixture(scope="module")
def double_run(run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch in float64 with a callback of its own."""
    place = tmp_path_factory.mktemp("double")
    (place / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli(
        "fit",
        "--config",
        place / "tiny.yaml",
        "--runs_dir",
        place / "runs",
        "--trainer.max_epochs",
        1,
        "--trainer.precision",
        "64-true",
        "--trainer.callbacks+=lit_mnist.training.callbacks.StopAtAccuracy",
        "--trainer.callbacks.threshold=0.9999",
    )
    assert code == 0, err
    return place / "runs/tiny/version_0"


def copy_of(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "copy"))


def test_a_run_goes_on_with_its_own_precision_and_callbacks(
    double_run: Path, run_cli: Run, tmp_path: Path
) -> None:
    """Seen to fail: a float64 run went on in float32 without its callback."""
    run = copy_of(double_run, tmp_path)
    code, _, err = run_cli("fit", "--ckpt_path", run, "--trainer.max_epochs", 2)
    assert code == 0, err
    assert json.loads((run / "summary.json").read_text())["precision"] == "64-true"
    trainer = yaml.safe_load((run / "config.yaml").read_text())["trainer"]
    assert trainer["precision"] == "64-true" and trainer["max_epochs"] == 2
    assert [entry["class_path"].rpartition(".")[2] for entry in trainer["callbacks"]] == [
        "StopAtAccuracy"
    ]
    content = read_checkpoint(run / "checkpoints/last.ckpt")
    assert {value.dtype for value in content["state_dict"].values()} == {torch.float64} and content[
        "epoch"
    ] == 1
    assert content["lit_mnist"]["config"]["trainer"]["callbacks"] == trainer["callbacks"]


def test_another_precision_contradicts_the_run(
    double_run: Path, run_cli: Run, tmp_path: Path
) -> None:
    run = copy_of(double_run, tmp_path)
    code, _, err = run_cli(
        "fit", "--ckpt_path", run, "--trainer.max_epochs", 2, "--trainer.precision", "32-true"
    )
    assert (
        code == 2 and "--trainer.precision" in err and "64-true" in err and "Traceback" not in err
    ), err
    code, _, err = run_cli(
        "fit", "--ckpt_path", run, "--trainer.max_epochs", 2, "--trainer.precision", 64
    )
    assert code == 0, err


def trained_in_python(folder: Path, source: object, **model: object) -> Path:
    """Train as docs/resume.md shows; return the checkpoint."""
    trainer = L.Trainer(
        max_epochs=1,
        limit_train_batches=2,
        callbacks=[KeepLast(every_seconds=60)],
        plugins=[CheckedFiles()],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
    )
    network = {
        "layers": [
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"},
        ]
    }
    trainer.fit(LitClassifier(network, **model), source)
    return next(folder.rglob("last.ckpt"))


def test_checkpoints_trained_from_python_open_everywhere(run_cli: Run, tmp_path: Path) -> None:
    """Seen to fail: "does not say which network and scaling it belongs to"."""
    path = trained_in_python(tmp_path, MNISTDataModule(dataset="digits"))
    model = open_model(path)
    assert model.dataset == "digits" and model.standardizer.kind == "per_pixel"
    code, out, err = run_cli("test", "--ckpt_path", path, "--json")
    assert code == 0 and json.loads(out)["trained_on"] == "digits", err
    code, _, err = run_cli("predict", "--ckpt_path", path, "--images", "test:3")
    assert code == 0, err
    code, _, err = run_cli("fit", "--ckpt_path", path)
    assert code == 2 and "Trainer.fit" in err, err


def test_other_loaders_leave_the_scaling_open(tmp_path: Path) -> None:
    images = torch.rand(64, 1, 28, 28)
    loader = DataLoader(TensorDataset(images, torch.arange(64) % 10), batch_size=8)
    path = trained_in_python(tmp_path, loader)
    with pytest.raises(UserError, match="standardize"):
        open_model(path)
    model = open_model(path, standardize="unit")
    with torch.no_grad():
        assert torch.allclose(
            model.tensor(np.full((1, 28, 28), 255, np.uint8)), torch.ones(1, 1, 28, 28)
        )


def test_load_from_checkpoint(double_run: Path, tmp_path: Path) -> None:
    """Lightning's own way, with a checkpoint of ``fit`` and one trained from Python."""
    module = LitClassifier.load_from_checkpoint(double_run / "checkpoints/last.ckpt")
    content = read_checkpoint(double_run / "checkpoints/last.ckpt")
    assert all(
        torch.equal(module.state_dict()[key], value) for key, value in content["state_dict"].items()
    )
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, Adam) and isinstance(module.schedule, Cosine)
    assert module.schedule.initial_learning_rate == 0.01 and module.seed == 3
    module = LitClassifier.load_from_checkpoint(
        double_run / "checkpoints/last.ckpt", label_smoothing=0.1
    )
    assert module.label_smoothing == 0.1
    last = double_run / "checkpoints/last.ckpt"
    module = LitClassifier.load_from_checkpoint(last, "cpu", strict=False, weights_only=True)
    assert module.seed == 3
    for option in ({"hparams_file": "hparams.yaml"}, {"weights_only": False}):
        with pytest.raises(UserError, match=rf"{next(iter(option))} = .* cannot work"):
            LitClassifier.load_from_checkpoint(last, **option)
    path = trained_in_python(tmp_path, MNISTDataModule(dataset="digits"), seed=7)
    module = LitClassifier.load_from_checkpoint(str(path))
    pixels = load_dataset("digits").test_images[:5]
    model = open_model(path)
    with torch.no_grad():
        assert torch.equal(module(model.tensor(pixels)), model.network(model.tensor(pixels)))
    assert module.seed == 7


def test_a_folder_of_versions_opens_the_newest_finished_one(
    double_run: Path, run_cli: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen to fail: "no checkpoint in this folder"."""
    folder = tmp_path / "runs/tiny"
    for number in (0, 2, 9, 10):
        shutil.copytree(double_run, folder / f"version_{number}")
    (folder / "version_10/summary.json").unlink()
    model = open_model(folder)
    assert model.run == folder / "version_9"
    assert "version_9" in capsys.readouterr().err
    for command in ("test", "predict", "features", "summary"):
        extra = () if command in ("test", "summary") else ("--images", "test:3")
        out = ("--out", tmp_path / "out") if command == "features" else ()
        code, _, err = run_cli(command, "--ckpt_path", folder, *extra, *out)
        assert code == 0 and re.search(r"version_9\b", err), (command, err)
    code, _, err = run_cli("fit", "--ckpt_path", folder, "--trainer.max_epochs", 2)
    assert (
        code == 0 and json.loads((folder / "version_9/summary.json").read_text())["epochs"] == 2
    ), err
    for number in (0, 2, 9):
        (folder / f"version_{number}/summary.json").unlink()
    assert (
        open_model(folder).run == folder / "version_10"
    )  # none is finished: the newest that can be opened
    with pytest.raises(UserError, match="tiny"):  # one level too high: says what lies there
        open_model(tmp_path / "runs")


def test_home_and_variables_in_every_path(
    double_run: Path, run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail: a folder named ``~`` was made in the working folder."""
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    shutil.copytree(double_run, home / "runs/tiny/version_0")
    shutil.copy(double_run / "initial_weights.safetensors", home / "start.safetensors")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LIT_HERE", str(home))
    monkeypatch.chdir(work)
    settings = yaml.safe_load(CONFIG) | {"runs_dir": "$LIT_HERE/new"}
    settings["data"]["root"] = "~/data"
    settings["model"]["initial_weights"] = "~/start.safetensors"
    Path(home, "tiny.yaml").write_text(yaml.safe_dump(settings))
    assert open_model("~/runs/tiny").run == home / "runs/tiny/version_0"
    code, _, err = run_cli("fit", "--config", "~/tiny.yaml", "--trainer.max_epochs", 1)
    assert code == 0 and (home / "new/tiny/version_0/summary.json").is_file(), err
    for command in ("features", "filters"):
        code, _, err = run_cli(command, "--ckpt_path=~/runs/tiny", "--out", f"$LIT_HERE/{command}")
        assert code == 0 and (home / command / f"{command}.json").is_file(), err
    code, out, err = run_cli("runs", "--runs_dir", "~/new")
    assert code == 0 and "tiny" in out, err
    with pytest.raises(UserError, match=re.escape(str(home / "data"))):
        load_dataset("mnist", "~/data", download=False)
    monkeypatch.setenv("LIT_MNIST_DATA", "~/elsewhere")
    with pytest.raises(UserError, match=re.escape(str(home / "elsewhere"))):
        load_dataset("mnist", download=False)
    assert not list(work.iterdir())
