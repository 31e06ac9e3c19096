"""Trainings of both frameworks in processes of their own; each is recorded in a small file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...data import DataOptions, prepare
from ...errors import UserError
from ...files import read_config, read_yaml, write_json

OURS = "ours"
KERAS = "keras"
CONTROL = "control"
SIDES = (OURS, KERAS, CONTROL)
_KEPT = (
    "test/acc",
    "test/correct",
    "images",
    "test/loss",
    "val/acc",
    "epochs",
    "steps",
    "weights",
    "dataset",
    "note",
    "parameters",
    "train_seconds",
    "wall_seconds",
    "history",
    "versions",
    "hardware",
)


class TrainingError(UserError):
    """A training that failed, or records that belong to another comparison."""


@dataclass(frozen=True)
class Plan:
    """The trainings: `seeds` of both frameworks, and as many further ones of Keras as control.

    `options` are ``key=value`` settings that override those of the configuration on both sides.
    """

    config: Path
    seeds: int
    epochs: int
    options: tuple[str, ...]
    folder: Path

    @property
    def trainings(self) -> list[tuple[str, int]]:
        """Side and seed of all trainings, ordered by seed to keep partial comparisons balanced."""
        return [
            (side, seed + self.seeds * (side == CONTROL))
            for seed in range(1, self.seeds + 1)
            for side in SIDES
        ]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all records of one comparison share."""
        return {
            "config": read_config(self.config),
            "epochs": self.epochs,
            "options": list(self.options),
        }

    def record(self, seed: int, side: str) -> Path:
        """Return the file of a finished training.

        The control is Keras with another seed, so that more seeds reuse it.
        """
        return self.folder / "trainings" / f"{OURS if side == OURS else KERAS}-{seed}.json"

    def command(self, side: str, seed: int) -> list[str]:
        """Return the command line of a training."""
        program = "lit_mnist" if side == OURS else "keras_baseline"
        settings = [f"--{option}" for option in self.options]
        return [
            sys.executable,
            "-m",
            program,
            "fit",
            "--config",
            str(self.config),
            *settings,
            "--trainer.max_epochs",
            str(self.epochs),
            "--seed_everything",
            str(seed),
            "--runs_dir",
            str(self.folder / "runs"),
            "--name",
            f"{program}-{seed}",
            "--json",
        ]


def finished(plan: Plan) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the existing records. Raises TrainingError if one belongs to other settings."""
    records = {}
    settings = json.loads(json.dumps(plan.settings))
    for side, seed in plan.trainings:
        path = plan.record(seed, side)
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["settings"] != settings:
                raise TrainingError(
                    f"{path}: made with another configuration, other epochs or options; accepted: "
                    "the same as before, or another folder as --out"
                )
            records[side, seed] = record
    return records


def train_missing(
    plan: Plan, known: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Make the trainings that are not among `known`; yield side, seed and record of each."""
    for side, seed in plan.trainings:
        if (side, seed) not in known:
            yield side, seed, train(plan, side, seed)


def layers(plan: Plan) -> list[dict[str, Any]]:
    """Return the layer table of `equivalence_layers`, made in a process of its own."""
    return _run(
        [
            sys.executable,
            "-m",
            "lit_mnist.comparison.equivalence.layers",
            str(plan.config),
            *plan.options,
        ]
    )


def train(plan: Plan, side: str, seed: int) -> dict[str, Any]:
    """Make one training of the comparison, write its record and return it."""
    summary = _run(plan.command(side, seed))
    if "test/acc" not in summary:
        raise TrainingError(
            f"{side}, seed {seed}: interrupted before its test; the same command resumes it"
        )
    run = Path(summary["run"])
    record = {key: summary.get(key) for key in _KEPT} | {
        "side": KERAS if side == CONTROL else side,
        "seed": seed,
        "settings": plan.settings,
        "wrong": wrong_images(run, _predictions(run, side), summary),
    }
    write_json(plan.record(seed, side), record)
    return record


def _run(command: Sequence[str]) -> Any:
    """Return the JSON that a command prints.

    Raises TrainingError with the end of its error message.
    """
    process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if process.returncode:
        last = "\n".join(process.stderr.strip().splitlines()[-5:])
        raise TrainingError(
            f"{' '.join(command[1:4])} failed (exit code {process.returncode}): {last}"
        )
    return json.loads(process.stdout)


def _predictions(run: Path, side: str) -> np.ndarray:
    """Return the predicted class of every test image."""
    if side != OURS:
        return np.asarray(json.loads((run / "test_predictions.json").read_text(encoding="utf-8")))
    command = [sys.executable, "-m", "lit_mnist", "predict", "--ckpt_path", str(run), "--json"]
    return np.asarray(_run(command)["predictions"])


def wrong_images(run: Path, predicted: np.ndarray, summary: dict[str, Any]) -> list[int]:
    """Return the numbers of the misclassified test images; the run must report as many."""
    known = {field.name for field in fields(DataOptions)}
    options = {
        key: value
        for key, value in read_yaml(run / "config.yaml").get("data", {}).items()
        if key in known
    }
    wrong = np.flatnonzero(predicted != prepare(DataOptions(**options)).test.labels).tolist()
    if len(wrong) != summary["images"] - summary["test/correct"]:
        raise TrainingError(
            f"{run}: {len(wrong)} predictions are wrong, but the run's summary says "
            f"{summary['images'] - summary['test/correct']} of {summary['images']}"
        )
    return wrong
