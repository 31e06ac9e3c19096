"""The parity suite needs TensorFlow; it is imported by `load_keras` alone, which keeps an order
that works.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _keras() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed (extra `keras`)")
    from keras_baseline.backend import load_keras

    load_keras()


@pytest.fixture
def eager() -> Iterator[None]:
    """Keras computes operation by operation: tracing costs more than it saves where a network makes
    one step.

    The arithmetic is the same; what `fit` compiles is compared by the tests without this fixture.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
