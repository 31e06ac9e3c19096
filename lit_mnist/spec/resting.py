"""The first part of a network, which training leaves unchanged and need run only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layer import INPUT
from .layers import ActivityRegularization, Normalization, Stochastic

if TYPE_CHECKING:
    from .description import NetworkSpec


def resting_value(spec: NetworkSpec) -> str | None:
    """Return the last layer of the unchanged first part through which all data pass, or None.

    A layer is unchanged if its inputs are, its weights are frozen, and it acts in training as in
    evaluation: no dropout, noise, augmentation or activity penalty. Returns None also if the
    unchanged part has no weights.
    """
    steps = spec.plan(spec.output)
    resting = {INPUT}
    for step in steps:
        if set(step.inputs) <= resting and _is_static(spec, step.name):
            resting.add(step.name)
    moving = [step for step in steps if step.name not in resting]
    read = {source for step in moving for source in step.inputs if source in resting}
    if len(read) != 1 or read == {INPUT}:
        return None
    (value,) = read
    return (
        value
        if any(
            spec.layer(step.name).weights(spec[step.name].input_shape) for step in spec.plan(value)
        )
        else None
    )


def _is_static(spec: NetworkSpec, name: str) -> bool:
    layer = spec.layer(name)
    if isinstance(layer, Stochastic | ActivityRegularization):
        return False
    weights = layer.weights(spec[name].input_shape)
    return not weights or not layer.trainable or isinstance(layer, Normalization)
