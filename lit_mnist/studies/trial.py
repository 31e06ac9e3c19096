"""Input and output of a trial's training; needs no framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from .description import Study

Report = Callable[[int, float], bool]  # (epoch, objective) -> whether the trial is to end


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial: the objective of each seed, and facts about each run."""

    by_seed: dict[str, float]
    runs: dict[str, str]
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    pruned: bool = False

    @property
    def objective(self) -> float:
        """The mean over the seeds."""
        return sum(self.by_seed.values()) / len(self.by_seed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


class Training(Protocol):
    """Trains one trial."""

    def __call__(
        self, study: Study, point: int, values: Mapping[str, Any], report: Report | None
    ) -> TrialResult:
        """Return the result; raise UserError where the trial cannot be trained."""
        ...
