"""The learning rate of every update of a run, for all kinds of schedules."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable

from .schedules import Schedule, ScheduleError, learning_rates
from .torch_schedules import Interval, Make, plateau_callback, scheduled_rates, scheduler_name


class RunRates:
    """Rates by optimiser step: of a Schedule, of a scheduler of torch, or the optimiser's own.

    Raises ScheduleError for an interval or settings that the schedule cannot have.
    """

    def __init__(
        self, schedule: Schedule | LRSchedulerCallable | None, interval: Interval | None = None
    ) -> None:
        self._schedule: Schedule | None = None
        self._make_scheduler: Make | None = None
        if schedule is None or isinstance(schedule, Schedule):
            self._schedule = schedule
            self.name = type(schedule).__name__
            self.plateau = None
        else:
            self._make_scheduler = schedule
            self.name = scheduler_name(schedule)
            self.plateau = plateau_callback(schedule)
        ours = self._make_scheduler is None
        self.interval = interval or ("step" if ours else "epoch")
        if (ours and interval == "epoch") or (self.plateau and interval == "step"):
            only = "epoch" if self.plateau else "step"
            raise ScheduleError(
                f"model.schedule_interval = {interval!r} cannot work with {self.name}; "
                f"accepted: {only}, or null"
            )
        self._rates: list[float] | None = None

    def with_scheduler(self, optimizer: torch.optim.Optimizer) -> Any:
        """Return what `configure_optimizers` returns, with ReduceLROnPlateau if it is the schedule.

        Lightning then keeps its state.
        """
        self._optimizer = optimizer
        self._first_rate = float(optimizer.param_groups[0]["lr"])
        if self.plateau is None or self._make_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self._make_scheduler(optimizer)}

    def check(self) -> None:
        """Build the scheduler and take a step, which raises what its class raises."""
        if self._make_scheduler is not None and not self.plateau:
            scheduled_rates(self._make_scheduler, self._first_rate, 1)

    def start(self, total_steps: int, steps_per_epoch: int) -> None:
        """Compute every step's rate once."""
        if self._schedule is not None:
            self._rates = learning_rates(self._schedule, total_steps)
        elif self._make_scheduler is None or self.plateau:
            self._rates = None
        elif self.interval == "step":
            self._rates = scheduled_rates(self._make_scheduler, self._first_rate, total_steps)
        else:
            epochs = -(-total_steps // steps_per_epoch)
            by_epoch = scheduled_rates(self._make_scheduler, self._first_rate, epochs)
            self._rates = [by_epoch[step // steps_per_epoch] for step in range(total_steps + 1)]

    def at(self, step: int) -> float | None:
        """Return the rate after `step` updates, or None if the optimiser's own is used."""
        if self._rates is not None:
            return self._rates[min(step, len(self._rates) - 1)]
        return self._current if self.plateau else None

    def before(self, step: int) -> float:
        """Return the rate after `step` updates, the optimiser's own included."""
        rate = self.at(step)
        return self._current if rate is None else rate

    @property
    def first(self) -> float:
        """The rate of the first update of a run."""
        return self._first_rate if self._rates is None else self._rates[0]

    @property
    def _current(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])
