"""Augmentation in Keras' terms: the same pictures as Keras' ImageDataGenerator makes from the same
numbers.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from lit_mnist.data import DataError
from lit_mnist.data.augment import Augmentation, distort, keras_matrices
from lit_mnist.data.module import MNISTDataModule

SIDE = 24
NUMBERS = [
    (3.0, 0.0, 0.0, 1.0, 1.0),
    (0.0, -2.5, 0.0, 1.0, 1.0),
    (0.0, 0.0, 17.0, 1.0, 1.0),
    (0.0, 0.0, 0.0, 0.8, 1.3),
    (4.2, -1.7, -8.0, 1.1, 0.85),
]  # right, down, shear, zoom_x, zoom_y


def matrices_of(
    numbers: list[tuple[float, ...]], size: tuple[int, int] = (SIDE, SIDE), flip: float = 1.0
) -> torch.Tensor:
    columns = np.array(numbers).T
    same = np.ones(len(numbers))
    return torch.from_numpy(keras_matrices(*columns, flip * same, same, size))


def smooth(channels: int = 3) -> np.ndarray:
    """A picture (H, W, C) of slow waves and steep edges, 0 to 255."""
    rows, columns = np.indices((SIDE, SIDE))
    waves = 127 + 60 * np.sin(rows / 3.0) + 60 * np.cos(columns / 4.0)
    waves[5:12, 8:16] = 255
    return np.stack([waves / (1 + channel) for channel in range(channels)], 2)


@pytest.mark.keras
@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_pictures_are_those_of_keras(numbers: tuple[float, ...], fill_mode: str) -> None:
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    right, down, shear, zoom_x, zoom_y = numbers
    picture = smooth()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about SciPy's old name of a module
        theirs = apply_affine_transform(
            picture.copy(),
            0,
            right,
            down,
            shear,
            zoom_x,
            zoom_y,
            row_axis=0,
            col_axis=1,
            channel_axis=2,
            fill_mode=fill_mode,
            cval=77.0,
        )
    ours = distort(
        torch.from_numpy(picture).permute(2, 0, 1)[None],
        matrices_of([numbers]),
        torch.full((1, 3, SIDE, SIDE), 77.0, dtype=torch.float64),
        fill_mode,
    )
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - theirs).max() < 1e-3
    assert np.abs(theirs - picture).max() > 30  # something moved


def test_flips_turn_pictures_round() -> None:
    images = torch.from_numpy(smooth()).permute(2, 0, 1)[None]
    still = [(0.0, 0.0, 0.0, 1.0, 1.0)]
    flipped = distort(
        images, matrices_of(still, flip=-1.0), torch.zeros(1, 3, SIDE, SIDE), "nearest"
    )
    assert torch.allclose(flipped, images.flip(3), atol=1e-9)
    both = Augmentation(horizontal_flip=True, vertical_flip=True).draw(1, 0, 4000, SIDE, SIDE)
    for axis in (0, 1):
        signs = both[:, axis, axis]
        assert set(signs.tolist()) == {-1.0, 1.0} and 0.45 < (signs > 0).float().mean() < 0.55


def test_fractions_and_pixels_of_a_side() -> None:
    """Below 1 a shift is a fraction of its own side; sides of a picture may differ."""
    fractions = Augmentation(width_shift=0.25, height_shift=0.1).draw(1, 0, 4000, 20, 40)
    pixels = Augmentation(width_shift=10.0, height_shift=2.0).draw(1, 0, 4000, 20, 40)
    assert torch.allclose(fractions, pixels, atol=1e-7)
    assert (
        0.49 < fractions[:, 0, 2].abs().max() <= 0.5
        and 0.19 < fractions[:, 1, 2].abs().max() <= 0.2
    )


def test_a_turn_of_an_oblong_picture_keeps_right_angles() -> None:
    matrix = Augmentation(rotation=90).draw(3, 0, 500, 20, 40).double()
    in_pixels = matrix[:, :, :2] * torch.tensor([[1.0, 40 / 20], [20 / 40, 1.0]])
    assert torch.allclose(in_pixels @ in_pixels.transpose(1, 2), torch.eye(2).double(), atol=1e-5)


def test_todays_distortions_are_the_same_numbers() -> None:
    """The draw of the first four keys does not depend on the others: published recipes repeat
    themselves.
    """
    plain = Augmentation(rotation=12, scale=0.12, shear=0.2, shift=2).draw(3, 4, 50, 28, 28)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, 4, 7])))
    angle, scale, shear, right, down = generator.uniform(-1, 1, (5, 50))
    zoom, angle, shear = 1 / (1 + scale * 0.12), angle * np.deg2rad(12), shear * 0.2
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    rows = np.stack(
        [cos, cos * shear - sin, right * (4 / 28), sin, sin * shear + cos, down * (4 / 28)], 1
    )
    assert np.array_equal(plain.numpy(), rows.reshape(50, 2, 3).astype(np.float32))
    both = Augmentation(rotation=12, scale=0.12, shear=0.2, shift=2, horizontal_flip=True).draw(
        3, 4, 50, 28, 28
    )
    assert torch.allclose(both[:, :, 1:], plain[:, :, 1:], atol=1e-6)
    assert torch.allclose(both[:, :, 0].abs(), plain[:, :, 0].abs(), atol=1e-6)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fill_mode": "nearst"}, "did you mean 'nearest'"),
        ({"zoom": 1.0}, "zoom = 1.0.*0 to 0.99"),
        ({"width_shift": -0.1}, "width_shift = -0.1.*0 or above"),
        ({"rotation": True}, "rotation = True.*0 to 180"),
        ({"fill_value": 300}, "fill_value = 300.*0 to 255"),
        ({"elastic": -1.0}, "elastic = -1.0.*0 to 14"),
        ({"elastic": 1.0, "elastic_spacing": 0.5}, "elastic_spacing = 0.5.*1 or above"),
    ],
)
def test_augmentations_that_cannot_work(values: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Augmentation(**values)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
def test_the_constant_is_a_level_of_the_pictures(fill_mode: str) -> None:
    """What moves in is the level `fill_value` as the data are scaled."""
    module = MNISTDataModule(
        "digits",
        standardize="unit",
        augment=Augmentation(width_shift=0.4, fill_mode=fill_mode, fill_value=51.0),
    )
    assert (module.empty_image(51.0) == 0.2).all()
    matrices = matrices_of([(4.0, 0.0, 0.0, 1.0, 1.0)], (8, 8)).float()
    moved = distort(
        torch.zeros(1, 1, 8, 8), matrices, module.empty_image(51.0)[..., :8, :8], fill_mode
    )
    assert moved[0, 0, 0, -1] == (pytest.approx(0.2) if fill_mode == "constant" else 0)
