"""Inputs for the two sides: images, batches, and comparable recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keras_baseline.recipe import Component, Recipe, read_data, read_recipe, read_spec

from ... import spec as s
from ...data import DataOptions, Prepared, permutation
from ...data.prepare import channels_last
from .sides import Array

FORWARD_IMAGES = 64


@dataclass(frozen=True)
class Probe:
    """Images (n, H, W, C) float32 and labels for forward pass, steps and predictions."""

    images: Array
    labels: Array
    batches: Sequence[tuple[Array, Array]]
    test_images: Array
    test_labels: Array
    rates: int = 2000  # steps whose learning rates are compared


def probe_of(
    prepared: Prepared,
    recipe: Recipe,
    steps: int,
    seed: int | None = None,
    test_images: int = 10_000,
) -> Probe:
    """Return the first `steps` training batches under `seed`, and the test set."""
    images = channels_last(prepared.train.images)
    labels = prepared.train.labels
    per_epoch = -(-len(labels) // recipe.batch_size)
    batches = []
    for epoch in range(-(-steps // per_epoch)):
        order = permutation(recipe.seed if seed is None else seed, epoch, len(labels))
        parts = [
            order[start : start + recipe.batch_size]
            for start in range(0, len(order), recipe.batch_size)
        ]
        batches += [(images[part], labels[part]) for part in parts[: steps - len(batches)]]
    test = slice(test_images)
    return Probe(
        images[:FORWARD_IMAGES],
        labels[:FORWARD_IMAGES],
        batches,
        channels_last(prepared.test.images[test]),
        prepared.test.labels[test],
        per_epoch * recipe.epochs,
    )


def comparable_recipe(config: Mapping[str, Any], name: str) -> Recipe:
    """Return the recipe, with plain RMSprop if Keras cannot train the configuration."""
    if config.get("recipe") == "keras":
        return read_recipe(config, name)
    return replace(plain_recipe(read_spec(config), name), data=read_data(config))


def plain_recipe(
    spec: s.NetworkSpec,
    name: str = "plain",
    optimizer: str = "RMSprop",
    seed: int = 1,
    **arguments: Any,
) -> Recipe:
    """Return a recipe around `spec` with an optimiser and nothing else."""
    return Recipe(
        name,
        {},
        spec,
        DataOptions(dataset="digits"),
        Component(optimizer, arguments),
        None,
        0.0,
        None,
        64,
        1000,
        1,
        seed,
        None,
    )


def without_dropout(recipe: Recipe) -> Recipe:
    """Return the recipe without its random layers, since the frameworks draw different numbers."""
    layers = tuple(
        _silent(layer) if isinstance(layer, s.Stochastic) else layer for layer in recipe.spec.layers
    )
    return replace(recipe, spec=replace(recipe.spec, layers=layers))


def _silent(layer: s.Stochastic) -> s.Layer:
    if isinstance(layer, s.Dropout):
        return replace(layer, rate=0.0)
    return s.Activation(layer.name, activation="linear", inputs=layer.inputs)
