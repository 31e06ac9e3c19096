"""The matrices of `Augmentation`, against affine maps composed from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from lit_mnist.data.augment import Augmentation, distort

SEED, EPOCH, N, SIZE = 3, 4, 60, 28


def composed(augmentation: Augmentation) -> np.ndarray:
    """Output to input coordinates of each image: turn times shear, enlarged, then moved, (n, 2, 3).

    Composed from single maps; the random numbers are those of (seed, epoch), in the order angle,
    scale, shear, right, down.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, EPOCH, 7])))
    matrices = []
    for angle, scale, shear, right, down in generator.uniform(-1, 1, (5, N)).T:
        radians = math.radians(angle * augmentation.rotation)
        turn = np.array(
            [[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]]
        )
        slant = np.array([[1, shear * augmentation.shear], [0, 1]])
        zoom = 1 / (1 + scale * augmentation.scale)
        matrices.append(
            np.c_[zoom * turn @ slant, 2 * augmentation.shift / SIZE * np.array([right, down])]
        )
    return np.array(matrices)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(rotation=12, scale=0.12, shear=0.2, shift=2),
        Augmentation(rotation=170, shear=0.9),
        Augmentation(shear=0.5),
        Augmentation(scale=0.5, shift=5),
    ],
    ids=["all", "turn and shear", "shear", "scale"],
)
def test_matrices_are_those_of_turn_shear_zoom_and_shift(augmentation: Augmentation) -> None:
    drawn = augmentation.draw(SEED, EPOCH, N, SIZE, SIZE).double().numpy()
    np.testing.assert_allclose(
        drawn, composed(augmentation), rtol=0, atol=1e-6
    )  # float32 holds them


def test_images_move_as_scipy_moves_them() -> None:
    """`scipy.ndimage.affine_transform` takes pixels where `affine_grid` takes -1 to 1, rows before
    columns.
    """
    augmentation = Augmentation(rotation=20, scale=0.15, shear=0.3, shift=3)
    image = ndimage.gaussian_filter(np.random.default_rng(0).uniform(0, 1, (SIZE, SIZE)), 1.5)
    image[:5], image[-5:], image[:, :5], image[:, -5:] = 0, 0, 0, 0
    matrices = augmentation.draw(SEED, EPOCH, N, SIZE, SIZE)
    images = torch.from_numpy(image).float().expand(N, 1, SIZE, SIZE)
    ours = distort(images, matrices, torch.zeros(1, 1, SIZE, SIZE)).numpy()[:, 0]
    middle = (SIZE - 1) / 2
    for result, matrix in zip(ours, composed(augmentation), strict=True):
        linear = matrix[::-1, 1::-1]
        offset = middle - linear @ [middle, middle] + matrix[::-1, 2] * SIZE / 2
        expected = ndimage.affine_transform(image, linear, offset, order=1)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
