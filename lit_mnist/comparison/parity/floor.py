"""The effect of rounding: our distance from Keras, and Keras' distance from itself.

Keras again is Keras with one thread in a process of its own; for single images, Keras with the same
images in a batch. In float32, each framework's distance from the same arithmetic in float64 shows
which of the two rounds more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_baseline.recipe import Recipe

from .checks import Check, absolute, moved, relative, worst
from .keras_side import KerasSide, floatx
from .levels import (
    ALONE,
    FLOAT32,
    LIMITS,
    Limits,
    different_predictions,
    forward,
    losses_and_gradients,
    one_by_one,
)
from .page import finite, number
from .probes import Probe, without_dropout
from .remote import Remote
from .sides import Side, State
from .torch_side import build_torch_side

OURS = "ours"
KERAS = "Keras"
AGAIN = "Keras again"
EXACT = "float64"
PAIRS = ((OURS, KERAS), (AGAIN, KERAS), (OURS, EXACT), (KERAS, EXACT))
Pair = tuple[str, str]
_MARKS = (1, 3, 10, 30, 100, 300, 1000)  # steps of the free run that are compared, and the last one


def floor(recipe: Recipe, probe: Probe, dtype: str = "float32") -> Iterator[tuple[Pair, Check]]:
    """Yield the checks for each pair of `PAIRS`: forward, gradients, single steps, a free run.

    All are in float32. The recipe is used without dropout, so that nothing is drawn. The free run
    has no limit: in float32 errors grow, which single steps avoid.
    """
    recipe = without_dropout(recipe)
    start = build_torch_side(recipe, dtype).state()
    limits = LIMITS[dtype]
    with floatx(dtype), Remote(recipe, dtype, threads=1) as again:
        sides: dict[str, Side] = {
            OURS: build_torch_side(recipe, dtype, probe.rates),
            KERAS: KerasSide(recipe, dtype),
            AGAIN: again,
        }
        if dtype == "float32":
            sides[EXACT] = build_torch_side(recipe, "float64", probe.rates)
        for side in sides.values():
            side.load(start)
        for a, b in _pairs(sides):
            for check in _at_the_start(sides[a], sides[b], probe, limits):
                yield (a, b), check
        for check in _alone_and_among(sides[KERAS], probe, limits):
            yield (AGAIN, KERAS), check
        if dtype == "float32":
            yield from _single_steps(sides, probe, start)
        yield from _free_run(sides, probe, start)


def _pairs(sides: Mapping[str, Side]) -> list[Pair]:
    return [(a, b) for a, b in PAIRS if a in sides and b in sides]


def rows(checks_of: Mapping[Pair, Sequence[Check]]) -> list[dict[str, Any]]:
    """Return a row per check: its limit, and `pairs`, the largest error of each, with its place."""
    by_pair = {" and ".join(pair): worst(checks) for pair, checks in checks_of.items()}
    return [
        {
            "name": name,
            "limit": check.limit,
            "pairs": {
                pair: {"error": worsts[name].error, "where": worsts[name].part}
                for pair, worsts in by_pair.items()
            },
        }
        for name, check in next(iter(by_pair.values())).items()
    ]


def cells(table: Sequence[Mapping[str, Any]], places: bool) -> list[list[str]]:
    """Return the lines of a table of `rows`, with `places` where each error occurred."""
    return [
        ["rounding alone", "limit", *table[0]["pairs"]],
        *[
            [
                row["name"],
                finite(row["limit"]),
                *[
                    number(pair["error"]) + f" ({pair['where']})" * places
                    for pair in row["pairs"].values()
                ],
            ]
            for row in table
        ],
    ]


def _at_the_start(a: Side, b: Side, probe: Probe, limits: Limits) -> Iterator[Check]:
    for check in (*forward(a, b, probe, limits), *losses_and_gradients(a, b, probe, limits)):
        if check.part != "names" and np.isfinite(check.limit):
            yield check


def _alone_and_among(side: Side, probe: Probe, limits: Limits) -> Iterator[Check]:
    alone = one_by_one(side, probe.images[:ALONE])
    among = side.layers(probe.images)
    for name, outputs in alone.items():
        yield relative("forward, images alone", name, outputs, among[name][:ALONE], limits.forward)
        if outputs.ndim == 4:
            yield absolute(
                "maps, images alone", name, outputs, among[name][:ALONE], limits.maps_alone
            )


def _single_steps(
    sides: Mapping[str, Side], probe: Probe, start: State
) -> Iterator[tuple[Pair, Check]]:
    """Yield each step from Keras' state before it, as `parity.teacher_forced` with four sides."""
    sides[KERAS].load(start)
    before = start
    for step, (images, labels) in enumerate(probe.batches):
        after = {}
        for name, side in sides.items():
            if name != KERAS:
                side.load(before)
            side.train_step(images, labels)
            after[name] = side.state()
        for a, b in _pairs(sides):
            for name, weights in after[b].weights.items():
                arrays = after[a].weights[name], weights, before.weights[name]
                check = moved("one step", f"{name}, step {step + 1}", *arrays, FLOAT32.weights)
                yield (a, b), check
                yield (
                    (a, b),
                    replace(
                        check,
                        name="one step, of its length",
                        error=check.travelled,
                        limit=FLOAT32.step,
                    ),
                )
        before = after[KERAS]


def _free_run(
    sides: Mapping[str, Side], probe: Probe, start: State
) -> Iterator[tuple[Pair, Check]]:
    for side in sides.values():
        side.load(start)
    for step, (images, labels) in enumerate(probe.batches, 1):
        losses = {name: side.train_step(images, labels) for name, side in sides.items()}
        for a, b in _pairs(sides):
            yield (
                (a, b),
                absolute("free run, loss by step", f"step {step}", losses[a], losses[b], np.inf),
            )
        if step in _MARKS or step == len(probe.batches):
            yield from _apart(sides, start, f"free run, step {step}")
    for a, b in _pairs(sides):
        count = len(probe.test_labels)
        yield (
            (a, b),
            absolute(
                "free run, predictions that differ",
                f"{count} images",
                different_predictions(sides[a], sides[b], probe),
                0,
                np.inf,
            ),
        )


def _apart(sides: Mapping[str, Side], start: State, name: str) -> Iterator[tuple[Pair, Check]]:
    weights = {place: side.state().weights for place, side in sides.items()}
    for a, b in _pairs(sides):
        for weight, array in weights[b].items():
            check = moved(name, weight, weights[a][weight], array, start.weights[weight], np.inf)
            yield (a, b), check
            yield (a, b), replace(check, name=f"{name}, of the way", error=check.travelled)
