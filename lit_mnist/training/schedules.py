"""Learning rates as functions of the step: ``schedule(step)``, after `step` updates.

The first update uses ``schedule(0)``, as Keras' optimisers do. `Schedule.table` gives the whole
run's rates at once. The inverse-time and exponential decays compute in float32, as Keras does even
in float64 mode, and equal the rates of Keras' schedules bit for bit. (Inside a compiled ``fit``,
TensorFlow replaces the division by ``decay_steps`` with a product by its reciprocal, which can move
the last bit unless ``decay_steps`` is a power of two; 1, the sources' value, is.) Cosine and
one-cycle follow torch's schedulers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError, is_finite, is_whole, nearest

ANNEALINGS = ("cos", "linear")
_F = np.float32


class ScheduleError(UserError):
    """A schedule's setting that cannot work."""


class Schedule(ABC):
    """A learning rate for every step."""

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the rate of the update that follows `step` updates."""

    def table(self, steps: int) -> np.ndarray:
        """Return the rates of the first `steps` updates, float64 (steps,)."""
        return np.array([self(step) for step in range(steps)], np.float64)

    def for_run(self, total_steps: int) -> Schedule:
        """Return the schedule with its length set to the run's, where none was given."""
        return self

    def _need(self, condition: bool, key: str, accepted: str) -> None:
        if not condition:
            value = getattr(self, key)
            raise ScheduleError(
                f"{type(self).__name__}: {key} = {value!r} cannot work; accepted: {accepted}"
            )

    def _need_positive(self, *keys: str) -> None:
        for key in keys:
            self._need(
                is_finite(getattr(self, key)) and getattr(self, key) > 0,
                key,
                "a finite number above 0",
            )


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    learning_rate: float = 0.001

    def __post_init__(self) -> None:
        self._need_positive("learning_rate")

    def __call__(self, step: int) -> float:
        return float(self.learning_rate)

    def table(self, steps: int) -> np.ndarray:
        return np.full(steps, self.learning_rate, np.float64)


@dataclass(frozen=True)
class _Decay(Schedule):
    """Keras' decays: ``p = step / decay_steps``, its whole part alone where `staircase`."""

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        self._need_positive("initial_learning_rate", "decay_steps")
        self._need(
            is_finite(self.decay_rate) and self.decay_rate >= 0,
            "decay_rate",
            "a finite number, 0 or above",
        )
        self._need(isinstance(self.staircase, bool), "staircase", "true, false")

    def __call__(self, step: int) -> float:
        return float(self._rates(np.array([step]))[0])

    def table(self, steps: int) -> np.ndarray:
        return self._rates(np.arange(steps)).astype(np.float64)

    def _rates(self, steps: np.ndarray) -> np.ndarray:  # int (n,) -> float32 (n,)
        p = steps.astype(_F) / _F(self.decay_steps)
        return self._decayed(np.floor(p) if self.staircase else p)

    @abstractmethod
    def _decayed(self, p: np.ndarray) -> np.ndarray:
        """Return the float32 rates at `p` decay periods."""


@dataclass(frozen=True)
class InverseTimeDecay(_Decay):
    """``lr0 / (1 + decay_rate p)``."""

    def _decayed(self, p: np.ndarray) -> np.ndarray:
        return _F(self.initial_learning_rate) / (_F(1) + _F(self.decay_rate) * p)


@dataclass(frozen=True)
class ExponentialDecay(_Decay):
    """``lr0 decay_rate^p``."""

    def _decayed(self, p: np.ndarray) -> np.ndarray:
        rate = _F(self.decay_rate)
        # one at a time: NumPy's vectorised float32 power may differ from the C library's in the
        # last bit
        powers = np.fromiter((rate**exponent for exponent in p), _F, len(p))
        return _F(self.initial_learning_rate) * powers


@dataclass(frozen=True)
class Cosine(Schedule):
    """``end + (lr0 - end) (1 + cos(pi step / total)) / 2``, as torch's CosineAnnealingLR.

    The first `warmup_steps` rise linearly to `initial_learning_rate`. `total_steps` counts both;
    null takes the run's length.
    """

    initial_learning_rate: float = 0.001
    end_learning_rate: float = 0.0
    warmup_steps: int = 0
    total_steps: int | None = None

    def __post_init__(self) -> None:
        self._need_positive("initial_learning_rate")
        self._need(
            is_finite(self.end_learning_rate) and self.end_learning_rate >= 0,
            "end_learning_rate",
            "a finite number, 0 or above",
        )
        self._need(
            is_whole(self.warmup_steps) and self.warmup_steps >= 0,
            "warmup_steps",
            "a whole number, 0 or above",
        )
        _need_total(self, self.warmup_steps + 1)

    def __call__(self, step: int) -> float:
        total = _total(self)
        warmup = self.warmup_steps
        if step < warmup:
            return self.initial_learning_rate * (step + 1) / (warmup + 1)
        fraction = min((step - warmup) / (total - warmup), 1.0)
        return _between(self.initial_learning_rate, self.end_learning_rate, fraction, "cos")

    def for_run(self, total_steps: int) -> Cosine:
        return replace(self, total_steps=total_steps) if self.total_steps is None else self


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One cycle: from ``max_lr / div_factor`` up to `max_lr`, then down.

    It ends at ``max_lr / div_factor / final_div_factor``.

    The rates of torch's OneCycleLR with two phases (Smith & Topin 2018); the peak lies at update
    number ``pct_start * total_steps``. `total_steps`: null takes the run's length.
    """

    max_lr: float
    total_steps: int | None = None
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        self._need_positive("max_lr", "div_factor", "final_div_factor")
        self._need(
            is_finite(self.pct_start) and 0 < self.pct_start < 1, "pct_start", "0 < fraction < 1"
        )
        if self.anneal_strategy not in ANNEALINGS:
            raise ScheduleError(
                f"OneCycle: unknown anneal_strategy {self.anneal_strategy!r}; "
                f"{nearest(str(self.anneal_strategy), ANNEALINGS)}"
            )
        _need_total(self, 2)

    def __call__(self, step: int) -> float:
        start = self.max_lr / self.div_factor
        last = _total(self) - 1
        peak = self.pct_start * _total(self) - 1
        if step <= peak:
            return _between(start, self.max_lr, step / peak, self.anneal_strategy)
        fraction = min((step - peak) / (last - peak), 1.0)
        return _between(self.max_lr, start / self.final_div_factor, fraction, self.anneal_strategy)

    def for_run(self, total_steps: int) -> OneCycle:
        return replace(self, total_steps=total_steps) if self.total_steps is None else self


def learning_rates(schedule: Schedule, steps: int) -> list[float]:
    """Return the learning rate of every update, and of the one after the last."""
    return schedule.for_run(max(steps, 2)).table(steps + 1).tolist()


def _between(start: float, end: float, fraction: float, strategy: str) -> float:
    if strategy == "linear":
        return (end - start) * fraction + start
    return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))


def _total(schedule: Cosine | OneCycle) -> int:
    if schedule.total_steps is None:
        raise ScheduleError(
            f"{type(schedule).__name__}: total_steps is not known; give it, or call for_run(steps)"
        )
    return schedule.total_steps


def _need_total(schedule: Cosine | OneCycle, least: int) -> None:
    total = schedule.total_steps
    schedule._need(
        total is None or (is_whole(total) and total >= least),
        "total_steps",
        f"a whole number, {least} or above, or null (the run's length)",
    )
