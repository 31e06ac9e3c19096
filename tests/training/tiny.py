"""A small network on the embedded digits, trained by the program."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import lightning as L

from tests.conftest import Run

TINY = """
model:
  network:
    layers:
      - {type: conv, name: Conv2D_1, filters: 6, kernel: 5, stride: 2, activation: relu}
      - {type: pool, name: Max_Pool_1}
      - {type: dropout, name: Dropout_1, rate: 0.1}
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: 10, activation: softmax, l2: 0.001}
  optimizer: {class_path: lit_mnist.training.optimizers.RMSprop, init_args: {momentum: 0.5}}
data: {dataset: digits, batch_size: 32, validation_fraction: 0.2}
trainer: {max_epochs: 4}
"""


def fit(run_cli: Run, config: Path, runs: Path, *options: object) -> dict:
    """Train anew and return the summary."""
    code, out, err = run_cli(
        "fit", "--config", config, "--runs_dir", runs, "--resume", "false", *options, "--json"
    )
    assert code == 0, err
    return json.loads(out)


def metrics(run: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``."""
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


def plain_trainer(**settings: Any) -> L.Trainer:
    """A Trainer of one epoch on the CPU, without files and bars, as in a program of one's own."""
    return L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
