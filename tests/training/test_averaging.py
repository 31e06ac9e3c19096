"""The average of the weights, against the closed form of its definition."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from torch import nn

from lit_mnist.training.averaging import Average


def weight(steps: int, decay: Fraction) -> Fraction:
    """The average after weights 1, 2, ..., steps on an average that began at 0, in exact fractions.

    After n updates the decay in force is min(decay, (1 + n) / (10 + n)), the rule of TensorFlow's
    ExponentialMovingAverage with `num_updates`.
    """
    average = Fraction(0)
    for n in range(steps):
        kept = min(decay, Fraction(1 + n, 10 + n))
        average = kept * average + (1 - kept) * (n + 1)
    return average


@pytest.mark.parametrize(
    ("steps", "decay"), [(1, "0.999"), (2, "0.999"), (30, "0.999"), (30, "0.5")]
)
def test_the_average_is_that_of_its_definition(steps: int, decay: str) -> None:
    network = nn.Linear(1, 1, bias=False).double()
    nn.init.zeros_(network.weight)
    average = Average(network, float(decay))
    for step in range(steps):
        nn.init.constant_(network.weight, step + 1.0)
        average.update(average.ema_weight(step))
    average.swap()
    assert network.weight.item() == pytest.approx(float(weight(steps, Fraction(decay))), rel=1e-12)


def test_warming_up_has_a_closed_form() -> None:
    """The first weights keep the product of (1 + n) / (10 + n), n from 0 to 19: 20! 9! / 29!."""
    network = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(network.weight)
    average = Average(network, 0.999999)
    nn.init.zeros_(network.weight)
    for step in range(20):
        average.update(average.ema_weight(step))
    average.swap()
    kept = math.factorial(20) * math.factorial(9) / math.factorial(29)
    assert network.weight.item() == pytest.approx(kept, rel=1e-9)


def test_counts_are_not_averaged() -> None:
    """A normalisation counts its images in whole numbers, which keep their value."""
    network = nn.BatchNorm1d(2)
    average = Average(network, 0.5)
    network.num_batches_tracked.fill_(7)
    nn.init.constant_(network.weight, 3.0)
    average.update(average.ema_weight(100))
    average.swap()
    assert network.num_batches_tracked == 7
    assert network.weight.tolist() == [2.0, 2.0]
