"""`load_keras`: the order of imports that works, and one clear error for what does not."""

from __future__ import annotations

import sys
import types

import pytest

from keras_baseline.backend import BackendError, load_keras


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
