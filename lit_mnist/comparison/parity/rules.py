"""Optimisers and schedules alone against Keras': equal gradients or steps, equal results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from keras_baseline.backend import load_keras

from ...training import optimizers, schedules
from .checks import Check, absolute
from .keras_side import floatx

OPTIMIZERS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "RMSprop": (
        {},
        {"momentum": 0.8},
        {"momentum": 0.8, "centered": True},
        {"rho": 0.99, "epsilon": 1e-4},
    ),
    "SGD": ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "learning_rate": 0.1}),
    "Adam": ({}, {"beta_1": 0.8, "beta_2": 0.99}, {"weight_decay": 0.01}),
    "Nadam": ({}, {"learning_rate": 0.01}),
    "Adamax": ({}, {"beta_2": 0.99, "weight_decay": 0.004}),
}
SCHEDULES: tuple[tuple[str, Mapping[str, Any]], ...] = tuple(
    (
        name,
        {
            "initial_learning_rate": rate,
            "decay_steps": steps,
            "decay_rate": decay,
            "staircase": staircase,
        },
    )
    for name, rate, steps, decay in (
        ("InverseTimeDecay", 0.001, 1, 0.001),
        ("InverseTimeDecay", 0.01, 937, 0.5),
        ("ExponentialDecay", 0.001, 1000, 0.96),
        ("ExponentialDecay", 0.1, 7, 0.9),
    )
    for staircase in (False, True)
)
_SHAPES = ((3, 3, 2, 4), (4,), (36, 10), (10,))


def optimizer_rules(
    steps: int = 50,
    limit: float = 1e-14,
    seed: int = 0,
    make: Callable[..., torch.optim.Optimizer] | None = None,
) -> Iterator[Check]:
    """Compare each optimiser's weights in float64 over `steps` steps with the same gradients.

    `make(name, params, **settings)` builds our side (default: that of
    `lit_mnist.training.optimizers`).
    """
    make = make or (lambda name, params, **settings: getattr(optimizers, name)(params, **settings))
    for name, variants in OPTIMIZERS.items():
        for settings in variants:
            ours, theirs = _run(name, settings, steps, np.random.default_rng(seed), make)
            for a, b in zip(ours, theirs, strict=True):
                yield absolute(f"rule of {name}", _settings_text(settings), a, b, limit)


def schedule_rules(steps: int = 2000) -> Iterator[Check]:
    """Compare schedules with Keras' bit for bit, at `steps` steps and at the sources' last ones."""
    keras = load_keras()
    for name, settings in SCHEDULES:
        theirs = getattr(keras.optimizers.schedules, name)(**settings)
        ours = getattr(schedules, name)(**settings)
        numbers = [*range(steps), 12_194, 75_040]
        yield absolute(
            f"schedule {name}",
            _settings_text(settings),
            np.array([ours(n) for n in numbers]),
            np.array([float(theirs(n)) for n in numbers]),
            0.0,
        )
        yield absolute(
            f"schedule {name}, table",
            _settings_text(settings),
            ours.table(steps),
            np.array([ours(n) for n in range(steps)]),
            0.0,
        )


def _settings_text(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items()) or "defaults"


def _run(
    name: str,
    settings: Mapping[str, Any],
    steps: int,
    generator: np.random.Generator,
    make: Callable[..., torch.optim.Optimizer],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    keras = load_keras()
    start = [generator.normal(size=shape) for shape in _SHAPES]
    with floatx("float64"):
        theirs = [keras.Variable(array, dtype="float64") for array in start]
        their_optimizer = getattr(keras.optimizers, name)(**settings)
        ours = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in start]
        our_optimizer = make(name, ours, **settings)
        for _ in range(steps):
            gradients = [
                generator.normal(size=shape) * 10 ** generator.uniform(-6, 1) for shape in _SHAPES
            ]
            their_optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], theirs)
            for parameter, gradient in zip(ours, gradients, strict=True):
                parameter.grad = torch.from_numpy(gradient)
            our_optimizer.step()
        return [p.detach().numpy() for p in ours], [v.numpy() for v in theirs]
