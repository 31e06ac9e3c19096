"""Keras itself, for the tests that compare with it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest


def needs_keras(test: Any) -> Any:
    """Mark a test that runs Keras, whose own warnings are not this program's."""
    marks = (
        pytest.mark.keras,
        pytest.mark.filterwarnings("ignore"),
        pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `keras`"),
    )
    for mark in marks:
        test = mark(test)
    return test


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras itself, with what it has no name for."""
    if find_spec("tensorflow") is None:  # not imported here: load_keras minds the order
        pytest.skip("needs the extra `keras`")
    from keras_baseline.backend import load_keras
    from keras_baseline.custom import register

    loaded = load_keras()
    register(loaded)
    return loaded
