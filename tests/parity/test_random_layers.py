"""Layers that draw random numbers: with Keras' draws they give Keras' images; their own draws are
distributed alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from keras_baseline.backend import load_keras
from keras_baseline.layers import Factory, build
from lit_mnist.network import Network
from lit_mnist.network.affine import rotation, translation, zoom
from lit_mnist.network.noise import RandomContrast, RandomFlip, RandomMove
from lit_mnist.spec import FILL_MODES, NetworkSpec, layer_from_dict

pytestmark = pytest.mark.keras
IMAGES = np.random.default_rng(0).uniform(0, 255, (6, 9, 12, 2)).astype(np.float32)
FLATTEN = [{"type": "flatten", "name": "F"}, {"type": "dense", "name": "D", "units": 2}]


def sides(kind: str, **values: Any) -> tuple[Any, Any]:
    """Return our module, in training, and Keras' layer, built on IMAGES."""
    entry = {"type": kind, "name": "L"} | values
    network = Network(
        NetworkSpec.from_dict({"input_shape": list(IMAGES.shape[1:]), "layers": [entry, *FLATTEN]})
    )
    keras_layer = build(layer_from_dict(0, entry), Factory(load_keras(), "float32"))
    module = network.L.train()
    return (module[0] if isinstance(module, torch.nn.Sequential) else module), keras_layer


def channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def difference(ours: Tensor, theirs: Any) -> float:
    return float(np.abs(ours.numpy().transpose(0, 2, 3, 1) - np.asarray(theirs)).max())


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("random_rotation", {"factor": 0.3}),
        ("random_translation", {"height_factor": 0.9, "width_factor": [-0.7, 0.2]}),
        ("random_zoom", {"height_factor": [-0.5, 0.9], "width_factor": 0.4}),
        ("random_zoom", {"height_factor": 0.5}),
    ],
)
def test_moved_as_keras_moves(kind: str, values: dict, fill_mode: str, interpolation: str) -> None:
    module, keras_layer = sides(
        kind, fill_mode=fill_mode, fill_value=7.0, interpolation=interpolation, **values
    )
    assert isinstance(module, RandomMove)
    given = keras_layer.get_random_transformation(IMAGES, training=True, seed=3)
    theirs = keras_layer.transform_images(IMAGES, given, training=True)
    ours = module.moved(channels_first(IMAGES), matrices(kind, given))
    # positions in float32: of a nearest pixel, one that lies between two may go to either
    apart = np.abs(ours.numpy().transpose(0, 2, 3, 1) - np.asarray(theirs))
    assert np.median(apart) < 1e-4 and (apart > 0.05).mean() <= (
        0.02 if interpolation == "nearest" else 0
    )
    assert not np.allclose(np.asarray(theirs), IMAGES)


def matrices(kind: str, given: dict[str, Any]) -> Tensor:
    """Return our transformations of Keras' draws."""
    height, width = IMAGES.shape[1:3]
    drawn = {
        key: torch.from_numpy(np.array(value)) for key, value in given.items() if np.ndim(value) > 0
    }
    match kind:
        case "random_rotation":
            return rotation(drawn["angle"][:, None] * np.pi / 180, height, width)
        case "random_translation":
            return translation(drawn["translations"][:, 1:], drawn["translations"][:, :1])
    return zoom(drawn["height_zoom"], drawn["width_zoom"], height, width)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flipped_as_keras_flips(mode: str) -> None:
    module, keras_layer = sides("random_flip", mode=mode)
    assert isinstance(module, RandomFlip)
    flips = keras_layer.get_random_transformation(IMAGES, training=True, seed=1)
    theirs = keras_layer.transform_images(IMAGES, flips, training=True)
    chosen = torch.from_numpy(np.array(flips["flips"]))
    images = channels_first(IMAGES)
    assert difference(torch.where(chosen, images.flip(module.axes), images), theirs) == 0
    torch.manual_seed(0)
    many = images[:1].expand(400, -1, -1, -1)
    flipped = (module(many) != many).flatten(1).any(1).float().mean()
    assert abs(flipped - 0.5) < 0.1  # four standard errors of 400 draws


def test_contrast_as_keras_changes_it() -> None:
    module, keras_layer = sides("random_contrast", factor=[0.4, 0.8], value_range=[20, 230])
    assert isinstance(module, RandomContrast)
    given = keras_layer.get_random_transformation(IMAGES, training=True, seed=2)
    theirs = keras_layer.transform_images(IMAGES, given, training=True)
    contrast = torch.from_numpy(np.array(given["contrast_factor"]))
    assert difference(module.changed(channels_first(IMAGES), contrast), theirs) < 1e-4
    assert contrast.min() >= 0.6 and contrast.max() <= 1.8


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("gaussian_noise", {"stddev": 0.3}),
        ("gaussian_dropout", {"rate": 0.2}),
        ("alpha_dropout", {"rate": 0.3}),
        ("dropout", {"rate": 0.4}),
    ],
)
def test_noise_is_distributed_as_keras_is(kind: str, values: dict) -> None:
    """Moments of 12,960 values that were all 1.5: mean and deviation within six standard errors of
    Keras'.
    """
    module, keras_layer = sides(kind, **values)
    ones = np.full((60, 9, 12, 2), 1.5, np.float32)
    torch.manual_seed(1)
    ours = module(channels_first(ones)).numpy()
    theirs = np.asarray(keras_layer(ones, training=True))
    error = theirs.std() / np.sqrt(theirs.size)
    assert abs(ours.mean() - theirs.mean()) < 6 * np.sqrt(2) * error
    assert abs(ours.std() / theirs.std() - 1) < 0.1
    module.eval()
    assert torch.equal(module(channels_first(ones)), channels_first(ones))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("random_rotation", {"factor": 0.1}),
        ("random_translation", {"height_factor": 0.2, "width_factor": 0.1}),
        ("random_zoom", {"height_factor": 0.2}),
    ],
)
def test_draws_differ_by_image_and_stay_within_their_factors(kind: str, values: dict) -> None:
    module, _ = sides(kind, **values)
    torch.manual_seed(0)
    drawn = module.draw(torch.zeros(500, 2, 9, 12))
    assert len(drawn.unique(dim=0)) > 400
    match kind:
        case "random_rotation":
            angles = torch.atan2(drawn[:, 3], drawn[:, 0]) / (2 * np.pi)
            assert -0.1 <= angles.min() < -0.09 and 0.09 < angles.max() <= 0.1
        case "random_translation":
            assert (
                -drawn[:, 5].max() >= -0.2 * 9
                and drawn[:, 5].max() > 1.6
                and 1.0 < drawn[:, 2].max() <= 0.1 * 12
            )
        case "random_zoom":
            assert (
                torch.equal(drawn[:, 0], drawn[:, 4])
                and drawn[:, 0].min() >= 0.8
                and drawn[:, 0].max() <= 1.2
            )
