"""The rule that tells digits from other things, on data that it was not chosen on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lit_mnist.data import DataError, Dataset, load_dataset
from lit_mnist.data.reader import Strokes, doubt, read_digit
from lit_mnist.runs.model import Model

from .papers import PAPERS

CLEAN = Strokes(
    variation=0.15,
    separability=0.93,
    fill=0.35,
    tallness=0.5,
    touches=False,
    dropped=0.0,
    pieces=1,
    holes=0,
)


def refused(model: Model, pictures: list[np.ndarray]) -> float:
    """The fraction of pictures that are no digit by the rule, or hold nothing to read."""
    digits = []
    for picture in pictures:
        try:
            digits.append(read_digit(picture))
        except DataError:
            continue
    with torch.no_grad():
        pixels = np.stack([digit.pixels for digit in digits]).astype(np.float32)
        probabilities = torch.softmax(model.network(model.tensor(pixels)), 1).amax(1).tolist()
    accepted = sum(
        doubt(digit.strokes, sure) is None
        for digit, sure in zip(digits, probabilities, strict=True)
    )
    return 1 - accepted / len(pictures)


@pytest.mark.mnist
def test_digits_are_seldom_refused(mnist: Dataset, trained: Model) -> None:
    assert (
        refused(trained, list(mnist.test_images[1000:1600])) <= 0.015
    )  # 1 % of all 10,000, and chance


@pytest.mark.mnist
def test_digits_on_paper_are_seldom_refused(mnist: Dataset, trained: Model) -> None:
    generator = np.random.default_rng(4)
    pictures = [PAPERS[i % len(PAPERS)](mnist.test_images[i], generator) for i in range(240)]
    assert refused(trained, pictures) <= 0.06  # squared and noisy ones, by a network of one epoch


@pytest.mark.mnist
def test_clothes_are_refused(mnist: Dataset, trained: Model) -> None:
    try:
        clothes = load_dataset("fashion_mnist", download=False).test_images[:300]
    except DataError:
        pytest.skip("Fashion-MNIST is not at hand ($LIT_MNIST_DATA)")
    assert refused(trained, list(clothes)) >= 0.92  # 95 % of all 10,000, and chance


@pytest.mark.parametrize(
    "change", [{"variation": 1.0}, {"separability": 0.65}, {"dropped": 0.8}, {"fill": 1.0}]
)
def test_each_measurement_counts(change: dict[str, Any]) -> None:
    assert doubt(CLEAN, 0.999) is None
    assert doubt(replace(CLEAN, **change), 0.999) is not None


@pytest.mark.parametrize("change", [{"touches": True}, {"tallness": -1.0}])
def test_what_digits_seldom_do_counts_where_strokes_are_odd(change: dict[str, Any]) -> None:
    odd = replace(CLEAN, variation=0.5, separability=0.88)
    assert doubt(odd, 0.999) is None
    assert doubt(replace(odd, **change), 0.999) is not None
    assert doubt(replace(CLEAN, **change), 0.999) is None


@pytest.mark.parametrize("side", [0, 1, 2, 3])
def test_writing_that_touches_any_side_is_noticed(side: int) -> None:
    grey = np.zeros((60, 60))
    grey[:40, 28:34] = 255
    assert read_digit(np.rot90(grey, side)).strokes.touches
    assert read_digit(np.rot90(grey, side)).strokes.tallness * (-1) ** side > 1
    assert not read_digit(np.rot90(np.roll(grey, 10, 0), side)).strokes.touches


def test_an_unsure_network_is_doubted_where_strokes_are_odd() -> None:
    odd = replace(CLEAN, variation=0.4, separability=0.88)
    assert doubt(odd, 0.99) is None
    assert "log-odds -" in (doubt(odd, 0.3) or "")
