"""The configurations for photographs of cats and dogs: each trains a batch, and keeps to the sources' recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.files import read_yaml
from tests.conftest import ROOT, Run

SOURCES = ("cats_dogs", "cats_dogs_augmented")


@pytest.mark.parametrize("name", SOURCES)
def test_one_batch(name: str, run_cli: Run, cats_dogs: Path) -> None:
    """On a folder of noise: training, validation on the test folder, the test."""
    config = ROOT / "configs" / f"{name}.yaml"
    options = ["--data.root", cats_dogs, "--trainer.fast_dev_run", "true"]
    code, out, err = run_cli("fit", "--config", config, *options)
    assert code == 0, err
    assert "val/acc" in out + err


@pytest.mark.parametrize("name", SOURCES)
def test_the_folder_must_be_named(name: str, run_cli: Run, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIT_MNIST_DATA", str(tmp_path))
    code, _, err = run_cli("fit", "--config", ROOT / "configs" / f"{name}.yaml")
    assert code == 2
    assert "data.root" in err


def test_the_two_differ_in_their_augmentation_alone() -> None:
    plain, augmented = (read_yaml(ROOT / "configs" / f"{name}.yaml") for name in SOURCES)
    shifts = {"width_shift": 0.2, "height_shift": 0.2}
    assert augmented["data"].pop("augment") == shifts | {
        "shear_angle": 0.2,
        "zoom": 0.2,
        "fill_mode": "nearest",
    }
    assert plain == augmented
