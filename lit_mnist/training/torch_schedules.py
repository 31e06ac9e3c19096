"""torch's learning-rate schedulers (``torch.optim.lr_scheduler``) as this package's schedules.

All but ReduceLROnPlateau depend only on the number of steps, so that the whole run's rates are
computed beforehand with a dummy optimiser. ReduceLROnPlateau follows a metric and steps after each
epoch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from ..errors import nearest
from .schedules import ScheduleError

Make = Callable[[torch.optim.Optimizer], LRScheduler]
Interval = Literal["epoch", "step"]
_MOMENTUM = 0.9  # of the optimiser made for computing rates


def scheduler_name(make: Make) -> str:
    """Return the scheduler's class name. Raises ScheduleError if its settings cannot work."""
    return type(_built(make, 1.0)[1]).__name__


def plateau_callback(make: Make) -> StepOnPlateau | None:
    """Return a callback that steps a ReduceLROnPlateau; None for other schedulers."""
    scheduler = _built(make, 1.0)[1]
    return (
        StepOnPlateau(getattr(scheduler, "monitor", None))
        if isinstance(scheduler, ReduceLROnPlateau)
        else None
    )


def scheduled_rates(make: Make, rate: float, updates: int) -> list[float]:
    """Return the scheduler's rates for `updates` steps or epochs from `rate`, and the next rate.

    Raises ScheduleError if the scheduler ends too early or changes more than the learning rate.
    """
    optimizer, scheduler = _built(make, rate)
    group = optimizer.param_groups[0]
    rates = []
    with warnings.catch_warnings(
        action="ignore"
    ):  # that the optimiser has made no step, and schedulers' own notes
        for number in range(updates + 1):
            rates.append(float(group["lr"]))
            if group["momentum"] != _MOMENTUM:
                raise ScheduleError(
                    f"model.schedule: {type(scheduler).__name__} changes the momentum too, which "
                    "is not followed; accepted: cycle_momentum: false"
                )
            try:
                scheduler.step()
            except ValueError as error:  # OneCycleLR after its last step
                if number + 1 < updates:
                    raise ScheduleError(
                        f"model.schedule: {type(scheduler).__name__} ends after {number} steps, "
                        f"but the run makes {updates}; {error}"
                    ) from error
                return rates + [rates[-1]] * (updates - number)
    return rates


class StepOnPlateau(Callback):
    """Steps ReduceLROnPlateau after each epoch by the metric `monitor`.

    None means the validation loss, or the training loss without validation. A callback, so that it
    steps before checkpoints are saved.
    """

    def __init__(self, monitor: str | None = None) -> None:
        self.monitor = monitor

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Step if the epoch has the metric; an epoch without validation has no ``val/...``."""
        metrics = pl_module.epoch_metrics
        monitor = self.monitor or ("val/loss" if trainer.enable_validation else "train/loss")
        if monitor in metrics:
            trainer.lr_scheduler_configs[0].scheduler.step(metrics[monitor])
            metrics["lr"] = pl_module.rates.before(
                trainer.global_step
            )  # logged is the next step's rate
        elif not (monitor.startswith("val/") and trainer.enable_validation):
            raise ScheduleError(
                f"model.schedule: monitor = {monitor!r} is not logged; {nearest(monitor, metrics)}"
            )


def _built(make: Make, rate: float) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """Return a scheduler and a dummy optimiser with the settings that schedulers need."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=rate, momentum=_MOMENTUM)
    try:
        with warnings.catch_warnings(action="ignore"):
            return optimizer, make(optimizer)
    except (TypeError, ValueError) as error:
        raise ScheduleError(f"model.schedule: {error}") from error
