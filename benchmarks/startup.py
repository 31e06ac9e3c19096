"""Start-up: `--help` against jsonargparse, and `fit` to its first step against imports."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .measure import Report, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"
_PAIRS = {
    "python -m lit_mnist --help": "import jsonargparse",
    "fit to the first step": "import torch, lightning",
}


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time whole processes; accepted: at most 1.5 times the imports alone."""
    with tempfile.TemporaryDirectory() as folder:
        fit = [
            "fit",
            "--config",
            str(_CONFIG),
            "--runs_dir",
            folder,
            "--trainer.fast_dev_run",
            "1",
            "--data.download",
            "false",
            "--trainer.limit_val_batches",
            "0",
            "--trainer.accelerator",
            device,
        ]
        cases = {
            "python -m lit_mnist --help": lambda: _python("-m", "lit_mnist", "--help"),
            "import jsonargparse": lambda: _python("-c", "import jsonargparse"),
            "fit to the first step": lambda: _python("-c", _FIRST_STEP, *fit),
            "import torch, lightning": lambda: _python("-c", "import torch, lightning"),
        }
        timings = interleaved(cases, rounds)
    rows = [
        {
            "start": name,
            "time": timings[name],
            "beside": base,
            "its time": timings[base],
            "ratio": ratios(timings, base)[name],
        }
        for name, base in _PAIRS.items()
    ]
    return Report("Start-up", rows, "Whole processes, files in the system's cache.", rounds)


# the process ends where the first optimiser step begins
_FIRST_STEP = """
import os, sys
from lit_mnist.cli.training import run
from lit_mnist.training.classifier import LitClassifier
LitClassifier.training_step = lambda *_: os._exit(0)
run("fit", sys.argv[2:])
"""


def _python(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
