"""lit_mnist: small networks trained in PyTorch Lightning, seen from inside, proved equal to Keras.

Names are loaded when first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .environment import keep_triton_apart, wait_without_spinning

if TYPE_CHECKING:
    from .data.module import MNISTDataModule
    from .inside.capture import capture
    from .network import Network
    from .runs.model import open_model
    from .spec import NetworkSpec
    from .training.classifier import LitClassifier

__version__ = "0.1.0"

keep_triton_apart()
wait_without_spinning()

_HOME = {
    "NetworkSpec": "lit_mnist.spec",
    "Network": "lit_mnist.network",
    "LitClassifier": "lit_mnist.training.classifier",
    "MNISTDataModule": "lit_mnist.data.module",
    "capture": "lit_mnist.inside.capture",
    "open_model": "lit_mnist.runs.model",
}
__all__ = [
    "LitClassifier",
    "MNISTDataModule",
    "Network",
    "NetworkSpec",
    "capture",
    "open_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module 'lit_mnist' has no attribute {name!r}; it has: {', '.join(__all__)}"
        )
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
