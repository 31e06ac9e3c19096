"""Scalings of colour pictures, and of pictures too large to be kept scaled, against Keras and
against each other.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.data import DataError, DataOptions, Standardizer, prepare
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.data.prepare import LazyImages
from lit_mnist.data.resident import Resident, ResidentBytes
from lit_mnist.data.standardize import STANDARDIZATIONS, channels_first
from tests.data.files import bars


@pytest.mark.keras
@pytest.mark.parametrize(
    ("kind", "mode"), [("imagenet", "torch"), ("caffe", "caffe"), ("tf", "tf")]
)
def test_fixed_scalings_are_keras_modes(kind: str, mode: str) -> None:
    import keras

    images, _ = bars(4, colour=True)
    theirs = keras.applications.imagenet_utils.preprocess_input(
        images.astype(np.float32), "channels_last", mode
    )
    # Keras works in float32, ours is rounded to it once: a few units in the last place of values up
    # to 151
    assert np.allclose(Standardizer.fit(kind, images).apply(images), theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", STANDARDIZATIONS)
def test_the_inverse_gives_colours_back(kind: str) -> None:
    images, _ = bars(6, colour=True)
    fitted = Standardizer.from_dict(Standardizer.fit(kind, images).to_dict())
    assert np.abs(fitted.invert(fitted.apply(images)) - images).max() < 1e-3
    assert np.array_equal(fitted.apply(images), Standardizer.fit(kind, images).apply(images))


def test_channels_are_scaled_each_by_its_own_moments() -> None:
    images, _ = bars(20, colour=True)
    values = Standardizer.fit("per_channel", images).apply(images).astype(np.float64)
    assert (
        np.abs(values.mean((0, 1, 2))).max() < 1e-6
        and np.abs(values.std((0, 1, 2)) - 1).max() < 1e-6
    )
    grey = Standardizer.fit("per_channel", images[..., 0])
    assert (grey.mean, grey.scale) == pytest.approx((images[..., 0].mean(), images[..., 0].std()))


def test_colour_scalings_are_refused_for_grey() -> None:
    for kind in ("imagenet", "caffe"):
        with pytest.raises(DataError, match=f"{kind!r} is for pictures in red, green and blue"):
            Standardizer.fit(kind, bars(2)[0])


def test_moments_broadcast_over_channels_first() -> None:
    for shape, expected in (((), ()), ((4, 5), (4, 5)), ((4, 5, 3), (3, 4, 5)), ((3,), (3, 1, 1))):
        assert channels_first(np.zeros(shape)).shape == expected


@pytest.fixture(params=["grey", "colour"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data set of 40 pictures."""
    images, labels = bars(40, colour=request.param == "colour")
    np.savez(tmp_path / "a.npz", X=images, y=labels)
    return tmp_path / "a.npz"


@pytest.mark.parametrize("kind", ["per_pixel", "per_channel", "unit", "tf", "caffe"])
def test_large_pictures_are_scaled_batch_by_batch_to_the_same_bits(
    place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "caffe" and np.load(place)["X"].ndim == 3:
        kind = "global"  # caffe is for colour
    options = DataOptions("arrays", place, standardize=kind)
    whole = prepare(options).train
    monkeypatch.setattr(importlib.import_module("lit_mnist.data.prepare"), "LARGE", 0)
    lazy = prepare(options).train
    assert isinstance(lazy.images, LazyImages) and lazy.images.shape == whole.images.shape
    assert np.array_equal(np.asarray(lazy.images), whole.images) and np.array_equal(
        lazy.images[3], whole.images[3]
    )
    cpu, places = torch.device("cpu"), torch.tensor([5, 0, 7, 7])
    expected = Resident(whole, cpu).take(places)
    assert torch.equal(Resident(lazy, cpu).take(places), expected)
    out = torch.empty_like(expected)
    Resident(lazy, cpu).gather(places, out)
    assert torch.equal(out, expected)
    if kind != "per_pixel":  # looked up by byte, as on a GPU
        assert torch.equal(ResidentBytes(lazy, cpu).take(places), expected)
        assert torch.equal(
            ResidentBytes(lazy, cpu).take(slice(2, 5)), Resident(whole, cpu).take(slice(2, 5))
        )


def test_the_empty_picture_in_colour(place: Path) -> None:
    module = MNISTDataModule("arrays", str(place), standardize="unit")
    channels = 3 if np.load(place)["X"].ndim == 4 else 1
    assert module.empty_image().shape == (1, channels, 12, 12) and not module.empty_image().any()
    assert (module.empty_image(255) == 1).all()
