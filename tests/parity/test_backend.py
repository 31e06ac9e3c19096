"""`load_keras`: the order of imports that works, and one clear error for what does not."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest

from keras_baseline.backend import BackendError, load_keras


def test_tensorflow_before_triton_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where triton is installed and comes second, the process would be aborted without a word."""
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(BackendError, match="before triton"):
        load_keras()


def test_triton_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fake = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(
        "keras_baseline.backend.importlib.import_module", lambda name: order.append(name) or fake
    )
    assert load_keras() is fake
    assert order == ["triton", "keras"]


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = load_keras()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(BackendError, match="'jax'; accepted: tensorflow"):
        load_keras()
