"""torch's learning-rate schedulers (``torch.optim.lr_scheduler``) as this package's schedules.

All of them but ReduceLROnPlateau follow from their number of steps alone, so that the whole run's rates are computed
beforehand, on an optimiser made for it. ReduceLROnPlateau follows a metric: it is stepped after each epoch.
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
    """Return the name of the scheduler's class; raise ScheduleError where its settings cannot work."""
    return type(_built(make, 1.0)[1]).__name__


def plateau_callback(make: Make) -> StepOnPlateau | None:
    """Return what steps the scheduler where it is a ReduceLROnPlateau, else None."""
    scheduler = _built(make, 1.0)[1]
    return (
        StepOnPlateau(getattr(scheduler, "monitor", None))
        if isinstance(scheduler, ReduceLROnPlateau)
        else None
    )


def scheduled_rates(make: Make, rate: float, updates: int) -> list[float]:
    """Return the rates of `updates` steps (or epochs) of the scheduler, and the one after, starting from `rate`.

    Raises ScheduleError where the scheduler ends before, or would change more than the learning rate.
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
                    f"model.schedule: {type(scheduler).__name__} changes the momentum too, which is "
                    "not followed; accepted: cycle_momentum: false"
                )
            try:
                scheduler.step()
            except ValueError as error:  # OneCycleLR after its last step
                if number + 1 < updates:
                    raise ScheduleError(
                        f"model.schedule: {type(scheduler).__name__} ends after {number} steps, but "
                        f"the run makes {updates}; {error}"
                    ) from error
                return rates + [rates[-1]] * (updates - number)
    return rates


class StepOnPlateau(Callback):
    """Steps ReduceLROnPlateau after each epoch by the metric `monitor`.

    None: the validation loss, or the training loss where nothing is validated. A callback, because checkpoints are
    saved by callbacks: the step must be made before.
    """

    def __init__(self, monitor: str | None = None) -> None:
        self.monitor = monitor

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Step where the epoch has the metric: an epoch without validation has none of ``val/...``."""
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
    """Return a scheduler over an optimiser of its own, which has what schedulers ask for."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=rate, momentum=_MOMENTUM)
    try:
        with warnings.catch_warnings(action="ignore"):
            return optimizer, make(optimizer)
    except (TypeError, ValueError) as error:
        raise ScheduleError(f"model.schedule: {error}") from error
