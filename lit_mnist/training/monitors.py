"""The metrics that training logs, and checks of the callbacks that monitor them."""

from __future__ import annotations

from collections.abc import Iterable

from lightning.pytorch.callbacks import Callback

from ..errors import UserError, nearest
from ..spec import NetworkSpec


def metric_names(spec: NetworkSpec, validated: bool) -> list[str]:
    """Return the names of all metrics at the end of an epoch, which may be monitored."""
    regularised = any(getattr(layer, "l1", 0) or getattr(layer, "l2", 0) for layer in spec.layers)
    training = ["loss", "acc", "correct", "images"]
    training += ["data_loss", "penalty", "penalty_share"] if regularised else []
    validation = ["val/loss", "val/acc"] if validated else []
    return [*validation, *(f"train/{name}" for name in training), "lr", "step"]


def check_monitors(callbacks: Iterable[Callback], names: list[str]) -> None:
    """Raise UserError where a callback monitors a metric that is not among `names`.

    With a callback that is not Lightning's or ours, every name is accepted: it may log its own.
    """
    callbacks = list(callbacks)
    if not all(
        type(callback).__module__.startswith(("lightning.", "lit_mnist.")) for callback in callbacks
    ):
        return
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor not in names:
            raise UserError(
                f"{type(callback).__name__}: monitor = {monitor!r} is not logged in this training; "
                f"{nearest(monitor, names)}"
            )
