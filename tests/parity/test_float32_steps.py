"""Float32 steps, each from Keras' own state, within the limits of
`lit_mnist.comparison.parity.levels`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lit_mnist.comparison.parity.levels import parity
from tests.parity.test_parity import assert_passed, on_mnist

pytestmark = [pytest.mark.keras, pytest.mark.mnist]


@pytest.mark.parametrize(
    ("seed", "steps"),
    [(1, 50), *(pytest.param(seed, 300, marks=pytest.mark.slow) for seed in (1, 2, 3))],
)
def test_float32_step_by_step(mnist_root: Path, seed: int, steps: int) -> None:
    """Each step from Keras' own weights and slots: 300 from each of 3 starts, of which 50 are
    quick.
    """
    recipe, probe = on_mnist(mnist_root, steps, seed)
    result = assert_passed(parity(replace(recipe, seed=seed), probe, "float32", forced=True))
    assert result["maps"].part and "teacher-forced, of the step" in result
