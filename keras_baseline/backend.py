"""Keras on TensorFlow, imported once, quietly and in an order that works."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType

from lit_mnist.errors import UserError


class BackendError(UserError):
    """TensorFlow or Keras that cannot be used here."""


def load_keras() -> ModuleType:
    """Return the module `keras` with its TensorFlow backend. Raises BackendError if it is missing.

    Triton and TensorFlow both register LLVM's options in the process, and triton aborts it without
    a message if it comes second. So triton, if installed, is imported first; torch and Lightning,
    which import it when needed, are then safe. If TensorFlow is loaded already, triton stays hidden
    (`lit_mnist.environment.keep_triton_apart`).
    """
    if "tensorflow" not in sys.modules:
        _import_triton()
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with quiet():
            keras = importlib.import_module("keras")
    except ImportError as error:
        raise BackendError(
            f"Keras cannot be imported ({error}); install the extra: pip install 'lit-mnist[keras]'"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise BackendError(f"KERAS_BACKEND = {keras.backend.backend()!r}; accepted: tensorflow")
    return keras


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence TensorFlow's C++ messages on standard error. Python's errors are still raised.

    It logs about processors and CUDA before its own setting for logs is read, and again at its
    first use.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _import_triton() -> None:
    with contextlib.suppress(ImportError):  # not installed or broken, so that it cannot clash
        importlib.import_module("triton")
