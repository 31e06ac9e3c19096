"""Planted faults of training: swapped labels, unstandardised input, a schedule that is off by
one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lit_mnist.data import prepare
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.training.schedules import InverseTimeDecay, learning_rates
from tests.conftest import Run
from tests.training.tiny import fit


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
