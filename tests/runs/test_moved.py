"""A run goes on wherever its folder lies: nothing in it names a place outside or above it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_mnist.runs.checkpoint import read_checkpoint, write_checkpoint
from lit_mnist.training.checkpoints import place_states
from tests.conftest import Run
from tests.forked import CONFIG

UNREACHED = 2.0  # a validation accuracy that no later epoch can exceed


@pytest.fixture(scope="module")
def first(run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tiny.yaml`` and a run of two epochs under ``runs``, which was named by a
    relative path.
    """
    place = tmp_path_factory.mktemp("first")
    (place / "tiny.yaml").write_text(CONFIG)
    before = Path.cwd()
    os.chdir(place)
    try:
        code, _, err = run_cli("fit", "--config", "tiny.yaml", "--trainer.max_epochs", 2)
    finally:
        os.chdir(before)
    assert code == 0, err
    plant_unreached_best(place / "runs/tiny/version_0/checkpoints/last.ckpt")
    return place


def plant_unreached_best(path: Path) -> None:
    content = read_checkpoint(path)
    state = next(state for key, state in content["callbacks"].items() if "KeepBest" in key)
    state["best_model_score"] = torch.tensor(UNREACHED)
    state["best_k_models"] = dict.fromkeys(state["best_k_models"], torch.tensor(UNREACHED))
    state["kth_value"] = torch.tensor(UNREACHED)
    write_checkpoint(path, content)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def named(place: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the run's path in `how` it is named now, the working folder set to match."""
    if how == "elsewhere":
        monkeypatch.chdir(place.parent)
        return Path(place.name, "runs/tiny/version_0")
    if how == "within":
        monkeypatch.chdir(place / "runs/tiny/version_0")
        return Path()
    return place / "runs/tiny/version_0"


@pytest.mark.parametrize("how", ["absolute", "elsewhere", "within"])
def test_the_best_of_a_moved_run_is_kept(
    first: Path, run_cli: Run, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail: the best epoch was forgotten and ``best.ckpt`` overwritten by a worse one."""
    shutil.copytree(first, tmp_path / "moved")
    run = named(tmp_path / "moved", how, monkeypatch)
    best = (run / "checkpoints/best.ckpt").read_bytes()
    original = (first / "runs/tiny/version_0/checkpoints/best.ckpt").read_bytes()
    code, _, err = run_cli("fit", "--ckpt_path", run, "--trainer.max_epochs", 3)
    assert code == 0, err
    assert (run / "checkpoints/best.ckpt").read_bytes() == best
    assert (first / "runs/tiny/version_0/checkpoints/best.ckpt").read_bytes() == original
    summary = json.loads((run / "summary.json").read_text())
    assert summary["checkpoint"] == "best.ckpt" and f"{UNREACHED:.4f}" in summary["weights"]


def test_a_copy_of_a_finished_run_goes_on_without_the_original(
    first: Path, run_cli: Run, tmp_path: Path
) -> None:
    """Seen to end in a traceback: the best checkpoint was looked for where the original lay."""
    run = Path(shutil.copytree(first / "runs/tiny/version_0", tmp_path / "a [copy] ü" / "checked"))
    (run / "summary.json").unlink()
    code, _, err = run_cli("fit", "--ckpt_path", run, "--trainer.max_epochs", 2)
    assert code == 0, err
    assert json.loads((run / "summary.json").read_text())["epochs"] == 2


def test_nothing_in_a_run_names_a_place_above_it(first: Path) -> None:
    run = first / "runs/tiny/version_0"
    for path in (run / "checkpoints").glob("*.ckpt"):
        outside = [
            text for text in strings(read_checkpoint(path)) if "runs/" in text or str(first) in text
        ]
        assert not outside, path
    for path in [*run.glob("*.json"), *run.glob("*.yaml"), *run.rglob("*.pbtxt")]:
        assert str(first) not in path.read_text() and "runs/tiny" not in path.read_text(), path
    for path in run.rglob("*"):
        assert not path.is_file() or str(first).encode() not in path.read_bytes(), path


def test_states_of_older_runs_name_their_old_folder(
    first: Path, run_cli: Run, tmp_path: Path
) -> None:
    """Checkpoints written before names alone were kept hold the folder that they were written
    in.
    """
    run = Path(shutil.copytree(first / "runs/tiny/version_0", tmp_path / "old"))
    content = read_checkpoint(run / "checkpoints/last.ckpt")
    state = next(state for key, state in content["callbacks"].items() if "KeepBest" in key)
    old = "/once/lay/here/checkpoints"
    state |= {
        "dirpath": old,
        "best_model_path": f"{old}/best.ckpt",
        "kth_best_model_path": f"{old}/best.ckpt",
        "best_k_models": {f"{old}/best.ckpt": torch.tensor(UNREACHED)},
    }
    write_checkpoint(run / "checkpoints/last.ckpt", content)
    best = (run / "checkpoints/best.ckpt").read_bytes()
    code, _, err = run_cli("fit", "--ckpt_path", run, "--trainer.max_epochs", 3)
    assert code == 0, err
    assert (run / "checkpoints/best.ckpt").read_bytes() == best


def test_checkpoints_of_the_user_move_too(tmp_path: Path) -> None:
    """Lightning's own ModelCheckpoint forgets its best where its folder has another name."""
    own = ModelCheckpoint(dirpath=str(tmp_path / "new/own"), monitor="val/loss")
    state = own.state_dict() | {
        "dirpath": "/old/own",
        "best_model_path": "/old/own/a.ckpt",
        "best_k_models": {"/old/own/a.ckpt": 1.0},
    }
    states = {own.state_key: state}
    place_states(states, [own])
    assert states[own.state_key]["best_model_path"] == str(tmp_path / "new/own/a.ckpt")
    assert states[own.state_key]["best_k_models"] == {str(tmp_path / "new/own/a.ckpt"): 1.0}


def test_a_run_of_an_older_release_goes_on_with_the_same_command(
    first: Path, run_cli: Run, tmp_path: Path
) -> None:
    """Seen to fail: a new option, at its default, made an older run another one, and training
    started anew.
    """
    shutil.copytree(first, tmp_path / "old")
    run = tmp_path / "old/runs/tiny/version_0"
    (run / "summary.json").unlink()
    content = read_checkpoint(run / "checkpoints/last.ckpt")
    config = content["lit_mnist"]["config"]
    del (
        config["model"]["label_smoothing"],
        config["data"]["split_seed"],
        config["trainer"]["detect_anomaly"],
    )
    write_checkpoint(run / "checkpoints/last.ckpt", content)
    command = (
        "fit",
        "--config",
        first / "tiny.yaml",
        "--runs_dir",
        tmp_path / "old/runs",
        "--trainer.max_epochs",
        2,
    )
    code, _, err = run_cli(*command, "--model.label_smoothing", 0.1)
    assert code == 0 and "resuming" not in err, err
    code, _, err = run_cli(*command)
    assert code == 0 and f"resuming {run}" in err, err
