"""Whole recipes: seconds and accuracy of `cnn_source.yaml` (80 epochs) and `cnn_best.yaml`."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from lit_mnist.__main__ import main
from lit_mnist.errors import UserError

from .measure import Report

_CONFIGS = Path(__file__).parent.parent / "configs"


def run(rounds: int, quick: bool, device: str) -> Report:
    """Run each recipe once, whatever `rounds` says: they take what they take."""
    options = ["--data.dataset", "digits", "--trainer.max_epochs", "2"] if quick else []
    rows = [
        _row(name, fit(_CONFIGS / f"{name}.yaml", device, *options))
        for name in ("cnn_source", "cnn_best")
    ]
    return Report(
        "Whole recipes",
        rows,
        f"One run each on {device}, everything on. Inside fit: from the call of Lightning's fit "
        "to its end, captures, validations and checkpoints included; training: the epochs "
        "without validation.",
        1,
    )


def fit(config: Path, device: str, *options: str) -> dict[str, Any]:
    """Run ``fit`` in this process and return its summary."""
    with tempfile.TemporaryDirectory() as folder:
        out = io.StringIO()
        err = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(
                [
                    "fit",
                    "--config",
                    str(config),
                    "--runs_dir",
                    folder,
                    "--trainer.accelerator",
                    device,
                    "--data.download",
                    "false",
                    "--json",
                    *options,
                ]
            )
    gc.collect()  # a trainer and its module hold each other, and a GPU's memory with them
    if code:
        raise UserError(f"fit --config {config} ended with exit code {code}: {err.getvalue()}")
    return json.loads(out.getvalue())


def _row(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    best = summary["val/acc_best"] if summary["validated_on"] == "test" else None
    return {
        "recipe": name,
        "epochs": summary["epochs"],
        "steps": summary["steps"],
        "data": summary["dataset"],
        "inside fit, s": summary["fit_seconds"],
        "training, s": summary["train_seconds"],
        "capture, s": summary["prepare_seconds"],
        "us a step": 1e6 * summary["train_seconds"] / summary["steps"],
        "images/s": summary["images_per_second"],
        "test": f"{100 * summary['test/acc']:.2f} %",
        "best test epoch": "-" if best is None else f"{100 * best:.2f} %",
    }
