"""The metrics of an epoch, for the loggers and for every callback that asks."""

from __future__ import annotations

import lightning as L

from .rates import RunRates
from .state import ResumeState
from .sums import Sums


class EpochMetrics:
    """Puts an epoch's metrics together once, when its training has ended."""

    def __init__(self, sums: Sums, rates: RunRates, resume_state: ResumeState) -> None:
        self._sums = sums
        self._rates = rates
        self._resume_state = resume_state
        self._metrics: dict[str, float] | None = None

    def reset(self) -> None:
        """Start a new epoch."""
        self._metrics = None

    def validated(self, trainer: L.Trainer) -> bool:
        """Return whether the present epoch was validated."""
        return self._resume_state.validated_in == trainer.current_epoch

    def compute(self, trainer: L.Trainer) -> dict[str, float]:
        """Return ``train/...``, ``lr``, ``step`` and, if the epoch was validated, ``val/...``.

        Every process must call this, since the sums are added up over all of them.
        """
        if self._metrics is None:
            trained = {
                f"train/{key}": value
                for key, value in self._sums.metrics(trainer.world_size).items()
            }
            step = trainer.global_step
            position = {"lr": self._rates.before(step), "step": float(step)}
            self._metrics = self._others(trainer) | trained | position
        return self._metrics

    def _others(self, trainer: L.Trainer) -> dict[str, float]:
        """Return what validation and callbacks logged."""
        logged = {key: float(value) for key, value in trainer.callback_metrics.items()}
        metrics = self._resume_state.validated | logged
        if self.validated(trainer):
            return metrics
        return {key: value for key, value in metrics.items() if not key.startswith("val/")}
