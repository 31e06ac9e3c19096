"""Ranks of maps, as the randomisation check compares them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch
from scipy.stats import rankdata

from lit_mnist.attribution.randomization import ranks


def test_ranks_are_those_of_scipy_with_ties() -> None:
    values = np.random.default_rng(0).integers(0, 9, (3, 1, 8, 8)).astype(np.float32)
    foreground = torch.from_numpy(values[:, 0] > 1)
    for image, mask, ranked in zip(
        values[:, 0], foreground.numpy(), ranks(torch.from_numpy(values), foreground), strict=True
    ):
        expected = rankdata(image[mask]) - rankdata(image[mask]).mean()
        assert np.array_equal(ranked, expected / np.linalg.norm(expected))


def test_judging_and_test_images_need_no_scipy() -> None:
    """Importing it takes a second; in a process of its own, since other tests import it."""
    code = (
        "import sys, torch\n"
        "import lit_mnist.data.images, lit_mnist.attribution.explanation\n"
        "from lit_mnist.attribution.randomization import ranks\n"
        "ranks(torch.rand(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool))\n"
        "sys.exit(any(name.startswith('scipy.') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
