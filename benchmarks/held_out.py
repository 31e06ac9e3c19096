"""``python -m benchmarks held_out RUN...``: networks on the training images that they were held
out of.

Compares settings of training without a look at the test images: errors, and cross-entropy at the
temperature that suits each network best (label smoothing makes networks unsure, which alone would
decide a comparison of losses), of the weights after the last epoch. Runs of one name are runs of
one setting.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lit_mnist.data.options import DataOptions
from lit_mnist.data.prepare import prepare, rows_at
from lit_mnist.errors import UserError
from lit_mnist.files import read_yaml
from lit_mnist.inside.passes import class_probabilities
from lit_mnist.pages import markdown_table
from lit_mnist.runs.checkpoint import LAST
from lit_mnist.runs.folder import CHECKPOINTS, CONFIG, find_run
from lit_mnist.runs.model import open_model

_TEMPERATURES = np.geomspace(0.25, 4, 97)
_SMALLEST = 1e-12  # probabilities, before their logarithm


@dataclass(frozen=True)
class HeldOut:
    """A run's answers to its validation images: probabilities (n, classes), labels (n,)."""

    setting: str
    split_seed: int
    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def errors(self) -> int:
        """Number of images whose most probable class is not their label."""
        return int((self.probabilities.argmax(1) != self.labels).sum())

    @property
    def loss(self) -> float:
        """Mean cross-entropy at the best temperature."""
        logits = torch.from_numpy(self.probabilities.clip(_SMALLEST)).log()
        labels = torch.from_numpy(self.labels)
        return min(float(F.cross_entropy(logits / t, labels)) for t in _TEMPERATURES)


def main(argv: list[str] | None = None) -> int:
    """Print the table of the named runs; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks held_out", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("runs", nargs="+", type=Path, help="runs that validated on held-out images")
    options = parser.parse_args(argv)
    try:
        print(table([read_run(folder) for folder in options.runs]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def read_run(folder: Path) -> HeldOut:
    """Answer the validation images of the run in `folder`; raise UserError where it had none."""
    folder = find_run(folder)
    data = DataOptions.of(read_yaml(folder / CONFIG)["data"])
    # the best epoch was chosen by these very images
    model = open_model(folder / CHECKPOINTS / LAST)
    prepared = prepare(data, model.standardizer, model.spec)
    part = prepared.validation
    if data.validate_on != "validation" or part is None:
        raise UserError(
            f"{folder}: validated on {data.validate_on}; accepted: runs with data.validate_on "
            "validation"
        )
    pixels = rows_at((prepared.dataset.train_images, prepared.dataset.test_images), part.index)
    probabilities = class_probabilities(model, pixels)
    return HeldOut(folder.parent.name, data.split_seed, probabilities, part.labels)


def table(runs: Sequence[HeldOut]) -> str:
    """Return a Markdown table with a row for each setting: errors by split, and means."""
    head = ("setting", "n", "errors, by split", "mean errors", "mean loss", "errors together")
    settings = list(dict.fromkeys(run.setting for run in runs))
    return markdown_table([head, *(_row(name, runs) for name in settings)])


def _row(setting: str, runs: Sequence[HeldOut]) -> tuple[str, ...]:
    runs = [run for run in runs if run.setting == setting]
    splits = sorted({run.split_seed for run in runs})
    groups = [[run for run in runs if run.split_seed == split] for split in splits]
    errors = [
        f"{split}: {' '.join(str(run.errors) for run in group)}"
        for split, group in zip(splits, groups, strict=True)
    ]
    together = [f"{split}: {_together(group)}" for split, group in zip(splits, groups, strict=True)]
    return (
        setting,
        str(len(runs)),
        ", ".join(errors),
        f"{np.mean([run.errors for run in runs]):.1f}",
        f"{np.mean([run.loss for run in runs]):.4f}",
        ", ".join(together) if max(map(len, groups)) > 1 else "–",
    )


def _together(runs: Sequence[HeldOut]) -> int:
    """Return the errors of the mean of the runs' probabilities."""
    mean = np.mean([run.probabilities for run in runs], axis=0)
    return HeldOut(runs[0].setting, runs[0].split_seed, mean, runs[0].labels).errors


if __name__ == "__main__":
    raise SystemExit(main())
