"""The parity suite needs TensorFlow; it is imported by `load_keras` alone, which keeps an order that works."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(scope="session", autouse=True)
def _keras() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed (extra `keras`)")
    from keras_baseline.backend import load_keras

    load_keras()
