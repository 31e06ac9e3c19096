"""A seed for every test, and the small network that many of them share."""

from __future__ import annotations

import pytest
import torch

from lit_mnist.runs.model import Model
from tests.networks import SMALL, small_model


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small() -> Model:
    return small_model(SMALL)
