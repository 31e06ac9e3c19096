"""TensorFlow and torch in one process, in any order: neither aborts it.

Each case runs in a process of its own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs the extra keras"
)
TRAIN = """
from lit_mnist import LitClassifier, MNISTDataModule
import lightning as L
layers = [{"type": "flatten", "name": "F"}, {"type": "dense", "name": "D", "units": 10}]
network = {"layers": layers}
quiet = {"logger": False, "enable_checkpointing": False, "num_sanity_val_steps": 0}
trainer = L.Trainer(max_steps=1, accelerator="cpu", **quiet)
trainer.fit(LitClassifier(network), MNISTDataModule(dataset="digits"))
import torchvision
print("steps", trainer.global_step)
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    "first",
    [
        "import tensorflow, torch",
        "import lit_mnist.spec, keras_baseline.backend as b; import keras; assert b.load_keras() "
        "is keras",
    ],
    ids=["before", "between"],
)
def test_training_after_tensorflow(first: str) -> None:
    done = python(f"{first}\n{TRAIN}")
    assert done.returncode == 0 and "steps 1" in done.stdout, (done.returncode, done.stderr[-2000:])


def test_tensorflow_after_training_leaves_triton_alone() -> None:
    done = python(
        "import torchvision, sys, lit_mnist\nbefore = sys.modules.get('triton')\n"
        "import tensorflow, lightning\n"
        "print('same', sys.modules.get('triton') is before)"
    )
    assert done.returncode == 0 and "same True" in done.stdout, (
        done.returncode,
        done.stderr[-2000:],
    )


def test_triton_alone_says_the_order() -> None:
    done = python(
        "import sys, types, lit_mnist\nsys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "import triton"
    )
    assert done.returncode == 1 and "before TensorFlow" in done.stderr
    assert "ModuleNotFoundError" in done.stderr  # torch catches no other ImportError
