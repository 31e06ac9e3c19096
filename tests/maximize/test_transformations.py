"""Inputs and their transformations: standardising, shifts, turns, and ascent in Fourier
coefficients.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_mnist.maximize.inputs import Box, constraint_for, per_image_standardization
from lit_mnist.maximize.maximization import Settings, maximize_maps
from lit_mnist.maximize.quality import fine_fraction
from lit_mnist.maximize.transformations import Blur, Fourier, Jitter, Rotation, Scale, roll
from tests.networks import SMALL, small_model


def test_standardise_follows_tensorflows_rule() -> None:
    assert torch.equal(
        per_image_standardization(torch.full((1, 1, 4, 4), 7.0)), torch.zeros(1, 1, 4, 4)
    )
    faint = torch.tensor([[[[0.0, 1e-3], [0.0, 1e-3]]]])
    assert torch.allclose(
        per_image_standardization(faint), (faint - faint.mean()) / 0.5
    )  # 1 / sqrt(4 pixels)


@pytest.mark.parametrize(("kind", "low", "high"), [("unit", 0, 1), ("none", 0, 255)])
def test_networks_on_plain_pixels_stay_in_their_range(kind: str, low: float, high: float) -> None:
    model = small_model(SMALL, kind)
    assert isinstance(constraint_for(model), Box)
    made = maximize_maps(model, "Conv_2", [1, 2], Settings(steps=60, restarts=2))
    assert made.ascent.images.min() >= low and made.ascent.images.max() <= high
    assert made.ascent.images.std() > 0.05 * (high - low)
    assert (made.ascent.objective[:, -1] > made.ascent.objective[:, 0]).all()


def test_transformations() -> None:
    x = torch.randn(3, 1, 9, 7, dtype=torch.float64)
    shifts = torch.tensor([[1, -2], [0, 3], [-4, 0]])
    rolled = torch.stack(
        [torch.roll(image, tuple(by), (1, 2)) for image, by in zip(x, shifts.tolist(), strict=True)]
    )
    assert torch.equal(roll(x, shifts), rolled)
    assert torch.allclose(Rotation()(x, torch.zeros(3, 1)), x) and torch.allclose(
        Scale()(x, torch.zeros(3, 1)), x
    )
    square = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    quarter = Rotation(90)(square, torch.full((1, 1), np.pi / 2, dtype=torch.float64))
    assert torch.allclose(quarter, square.rot90(1, (2, 3))) or torch.allclose(
        quarter, square.rot90(-1, (2, 3))
    )
    drawn = Jitter(0.05).draw(np.random.default_rng(0), 500, (1, 28, 28))
    assert set(drawn.ravel()) == {-1, 0, 1}


def test_fourier_is_ascent_in_scaled_fourier_coefficients() -> None:
    """One step in z with x = irfft2(scale * z) moves x along the filter; compared with autograd
    through irfft2.
    """
    g = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    lowest = 1 / 8
    cycles = torch.fft.fftfreq(8, dtype=torch.float64)
    scale = lowest / torch.hypot(cycles[:, None], cycles[None]).clamp_min(lowest)
    z = torch.zeros(2, 1, 8, 8, dtype=torch.complex128, requires_grad=True)
    image = torch.fft.ifft2(scale * z, norm="ortho").real
    (dz,) = torch.autograd.grad((image * g).sum(), z)
    moved = torch.fft.ifft2(scale * dz, norm="ortho").real
    assert torch.allclose(Fourier()(g), moved, atol=1e-9)
    assert torch.allclose(Fourier(0)(g), g) and torch.allclose(Blur(0)(g), g)
    assert fine_fraction(Blur(2.0)(g).numpy()).max() < fine_fraction(g.numpy()).min()
