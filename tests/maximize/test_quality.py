"""What is measured of a result, by hand."""

from __future__ import annotations

import numpy as np
import torch

from lit_mnist.inside.capture import capture
from lit_mnist.maximize.inputs import per_image_standardization
from lit_mnist.maximize.quality import assess, fine_fraction, reference
from lit_mnist.maximize.rows import rows_for
from lit_mnist.runs.model import Model
from tests.networks import small_start


def test_quality_by_hand(small: Model) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (30, 12, 12)).astype(np.uint8)
    data = reference(small, "Conv_2", 3, pixels=pixels)
    rows = rows_for([4], 12)
    images = small_start(rows).float()
    quality = assess(small.network, "Conv_2", images.numpy(), rows, data)
    with capture(small.network, "Conv_2") as seen:
        small.network(per_image_standardization(small.tensor(pixels)))
        largest = seen["Conv_2"].mean((2, 3)).max(0).values
        small.network(images)
        own = seen["Conv_2"].mean((2, 3))
        shifted = []
        for down, right in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]:
            small.network(images.roll((down, right), (2, 3)))
            shifted.append(seen["Conv_2"].mean((2, 3))[:, 4])
    assert np.allclose(data.largest, largest.detach(), rtol=1e-5)
    assert np.allclose(quality.ratio, (own / largest)[:, 4].detach(), rtol=1e-5)
    live = largest > 0
    ranks = [1 + int(((row / largest)[live] > (row / largest)[4]).sum()) for row in own]
    assert quality.rank.tolist() == ranks
    assert np.allclose(
        quality.shift, (torch.stack(shifted).min(0).values / own[:, 4]).detach(), rtol=1e-4
    )


def test_fine_fraction_knows_its_frequencies() -> None:
    columns = np.arange(28)
    slow, fast = (
        np.broadcast_to(np.cos(2 * np.pi * cycles * columns / 28), (1, 1, 28, 28))
        for cycles in (3, 10)
    )
    assert fine_fraction(slow)[0] < 1e-20 and fine_fraction(fast)[0] > 1 - 1e-12
    assert fine_fraction(np.ones((1, 1, 28, 28)))[0] == 0
    noise = np.random.default_rng(0).normal(size=(20, 1, 28, 28))
    assert (
        abs(fine_fraction(noise).mean() - (1 - np.pi / 16)) < 0.02
    )  # white noise: the square less the disc
