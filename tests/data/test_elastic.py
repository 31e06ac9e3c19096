"""Elastic distortion, against SciPy's interpolation of the same displacement."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from lit_mnist.data.augment import Augmentation, distort
from lit_mnist.data.blocks import TrainingBlocks
from lit_mnist.data.elastic import control_points, displacement
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.data.resident import resident

SIZE = (20, 28)


def identity(n: int) -> torch.Tensor:
    return torch.tensor([[1.0, 0, 0], [0, 1, 0]]).repeat(n, 1, 1)


def test_pixels_move_as_scipy_moves_them() -> None:
    augmentation = Augmentation(elastic=1.5, elastic_spacing=6)
    points = augmentation.draw_elastic(1, 2, 3, *SIZE)
    rows, columns = np.indices(SIZE)
    picture = 100 + 50 * np.sin(rows / 3.0) + 50 * np.cos(columns / 4.0)
    images = torch.from_numpy(picture).expand(3, 1, *SIZE)
    moved = distort(images, identity(3), torch.zeros(1, 1, *SIZE), "nearest", points)
    bent = displacement(points, SIZE).numpy() * np.array(SIZE[::-1]) / 2
    for image, (right, down) in zip(moved[:, 0].numpy(), bent.transpose(0, 3, 1, 2), strict=True):
        expected = map_coordinates(picture, [rows + down, columns + right], order=1, mode="nearest")
        assert np.abs(image - expected).max() < 1e-3
    assert np.abs(moved[0].numpy() - picture).max() > 10


def test_control_points_are_displaced_by_what_was_drawn() -> None:
    points = control_points(0, 0, 4000, SIZE, 6)
    assert points.shape == (4000, 2, 5, 6)  # 19 rows of space by sixes, 27 columns
    assert points.std().item() == pytest.approx(1, abs=0.01)
    bent = displacement(points, SIZE) * torch.tensor(SIZE[::-1]) / 2
    corners = bent[:, ::19, ::27].permute(0, 3, 1, 2)
    assert torch.allclose(corners, points[:, :, ::4, ::5], atol=1e-5)


def test_neighbours_move_together() -> None:
    bent = displacement(control_points(0, 0, 500, (28, 28), 7), (28, 28)) * 14
    together = (bent[:, :, 1:] * bent[:, :, :-1]).mean() / (bent**2).mean()
    assert together > 0.9


def test_none_is_drawn_where_none_is_asked_for() -> None:
    assert Augmentation(rotation=10).draw_elastic(1, 1, 5, 28, 28) is None
    assert not Augmentation(elastic_spacing=3)


def test_training_images_are_bent_the_same_in_every_process() -> None:
    def batch(augment: Augmentation, rank: int = 0, world: int = 1) -> torch.Tensor:
        module = MNISTDataModule("digits", augment=augment, batch_size=50, seed=3)
        data = resident(module.prepared.train, torch.device("cpu"), torch.float32)
        blocks = TrainingBlocks(module, data, 0, 0, set(), 4, rank, world)
        return next(iter(next(iter(blocks)))).images

    plain, bent = batch(Augmentation()), batch(Augmentation(elastic=1.0))
    assert (bent - plain).abs().mean() > 0.05
    halves = [batch(Augmentation(elastic=1.0), rank, 2) for rank in range(2)]
    assert sorted(map(torch.sum, (*halves[0], *halves[1]))) == sorted(map(torch.sum, bent))
