"""The small network that many tests of attribution share."""

from __future__ import annotations

import pytest

from lit_mnist.network import Network
from tests.attribution.networks import SMALL, lively


@pytest.fixture(scope="module")
def cnn() -> Network:
    return lively(Network(SMALL, seed=3))
