"""Float32 steps, each from Keras' own state, within the limits of `lit_mnist.comparison.parity`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lit_mnist.comparison.parity import parity

from .test_parity import assert_passed, on_mnist

pytestmark = pytest.mark.keras


# A gap, not a pass: on AMD EPYC, 2 threads, torch 2.15, Keras 3.15 the maps differ by 1.19e-6 at Conv2D_2 (limit
# 1e-6) and a step by 1.48e-5 of its length at Dense_2/kernel (limit 1e-5). Keras' distance from itself is not measured
# yet, so the limits stay, and this must be mended before it may count. Not strict: other processors round otherwise.
@pytest.mark.slow  # on its own: where it failed, tests after it in the same process failed too (cause not found)
@pytest.mark.xfail(reason="two float32 limits are missed: 1.19e-6 > 1e-6 and 1.48e-5 > 1e-5", strict=False,
                   raises=AssertionError)
@pytest.mark.mnist
def test_float32_step_by_step(mnist_root: Path) -> None:
    """300 steps from each of 3 starts, each step from Keras' own weights and slots."""
    for seed in (1, 2, 3):
        recipe, probe = on_mnist(mnist_root, 300, seed)
        found = assert_passed(parity(replace(recipe, seed=seed), probe, "float32", forced=True))
        assert "teacher-forced, of the step" in found
