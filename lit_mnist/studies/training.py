"""The trainings of a trial: the ordinary fit for each seed, without test images."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback

from ..errors import UserError
from .description import Study, StudyError
from .trial import Report, TrialResult

# argv, callbacks -> the run's summary
Fit = Callable[[list[str], Sequence[Callback]], Mapping[str, Any]]
_KEPT = (
    "val/acc",
    "val/acc_best",
    "train/acc",
    "train/loss",
    "parameters",
    "epochs",
    "train_seconds",
    "dataset",
)


@dataclass(frozen=True)
class FitTraining:
    """Trains by `fit`, each run in ``<out>/runs/trial-<point>-seed-<seed>``, with logs in
    ``<out>/logs``.

    A trial whose worker died continues with the runs that exist: finished ones are read, unfinished
    ones resume from their last checkpoint.
    """

    fit: Fit
    config: str
    options: tuple[str, ...]
    out: Path

    def __call__(
        self, study: Study, point: int, values: Mapping[str, Any], report: Report | None
    ) -> TrialResult:
        by_seed: dict[str, float] = {}
        runs: dict[str, str] = {}
        metrics: dict[str, dict[str, Any]] = {}
        for number, seed in enumerate(study.seeds):
            watch = ReportEpochs(study.objective, report if number == 0 else None)
            name = f"trial-{point}-seed-{seed}"
            summary = self._finished(name) or self._fitted(study, name, seed, values, watch)
            by_seed[str(seed)] = objective_of(summary, study.objective)
            runs[str(seed)] = str(summary["run"])
            metrics[str(seed)] = {key: summary.get(key) for key in _KEPT}
            if watch.pruned:
                return TrialResult(by_seed, runs, metrics, pruned=True)
        return TrialResult(by_seed, runs, metrics)

    def _finished(self, name: str) -> dict[str, Any] | None:
        """Return the summary of a run that ended before its worker died."""
        for path in sorted((self.out / "runs" / name).glob("version_*/summary.json")):
            return json.loads(path.read_text(encoding="utf-8")) | {"run": str(path.parent)}
        return None

    def _fitted(
        self, study: Study, name: str, seed: int, values: Mapping[str, Any], watch: Callback
    ) -> dict[str, Any]:
        log = self.out / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        argv = [
            *arguments(self.config, self.options, study.overrides(values)),
            *("--seed_everything", str(seed), "--test", "false"),
            *("--runs_dir", str(self.out / "runs"), "--name", name),
            *("--trainer.enable_progress_bar", "false"),
        ]
        with (
            open(log, "a", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            return dict(self.fit(argv, [watch]))


class ReportEpochs(Callback):
    """Passes each epoch's objective to `report`, and ends the training if that returns true."""

    def __init__(self, objective: str, report: Report | None) -> None:
        self.objective = objective.removesuffix("_best")
        self.report = report
        self.pruned = False

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the epoch that has just been validated."""
        value = getattr(pl_module, "epoch_metrics", {}).get(self.objective)
        if self.report is None or value is None:
            return
        if self.report(trainer.current_epoch, float(value)):
            self.pruned = trainer.current_epoch + 1 < (trainer.max_epochs or 0)
            trainer.should_stop = True


def objective_of(summary: Mapping[str, Any], name: str) -> float:
    """Return a run's objective; raise StudyError where the run has none, such as a NaN."""
    value = summary.get(name)
    if name == "val/loss":
        losses = [each for each in summary["history"]["val_loss"] if each is not None]
        value = losses[-1] if losses else None
    if value is None or not np.isfinite(value):
        raise StudyError(f"{name} = {value!r} after the training; accepted: a finite number")
    return float(value)


def arguments(config: str, options: Sequence[str], overrides: Mapping[str, Any]) -> list[str]:
    """Return fit's arguments for a configuration, ``key=value`` options, and a trial's own keys."""
    own = [f"--{key}={_word(value)}" for key, value in overrides.items()]
    return ["--config", config, *(f"--{option}" for option in options), *own]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def check_values(
    study: Study, path: str, check: Callable[[list[str]], Mapping[str, Any]], argv: Callable
) -> None:
    """Build everything with `check` for each value that a setting may have; raise StudyError, which
    names the value.

    `check(argv)` returns the settings; `argv(overrides)` are the arguments of fit.
    """
    settings = _checked(path, "the configuration", check, argv(study.options))
    _check_objective(study, path, settings)
    for name, value, overrides in study.probes():
        _checked(path, f"settings.{name} = {value!r}", check, argv(overrides))


def _checked(path: str, what: str, check: Callable, argv: list[str]) -> Mapping[str, Any]:
    try:
        return check(argv)
    except UserError as error:
        raise StudyError(f"--study {path}: {what} cannot work: {error}") from error


def _check_objective(study: Study, path: str, settings: Mapping[str, Any]) -> None:
    validated = settings.get("data", {}).get("validate_on", "validation")
    if not study.objective.startswith("val/") or validated == "validation":
        return
    why = "test images must not choose" if validated == "test" else "nothing is validated"
    raise StudyError(
        f"--study {path}: objective {study.objective} cannot work with data.validate_on "
        f"{validated}: {why}; accepted: a configuration with data.validate_on: validation, or "
        "train/loss"
    )
