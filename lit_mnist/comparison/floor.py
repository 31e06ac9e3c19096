"""What float32 itself costs: our distance from Keras, beside Keras' distance from itself.

Keras again is Keras with one thread in a process of its own; for images that come alone, Keras with the same images
in a batch. Both frameworks' distances from the same arithmetic in float64 say whose rounding it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_baseline.recipe import Recipe

from .checks import Check, absolute, moved, worst
from .ours import build_ours
from .parity import ALONE, FLOAT32, different_predictions, forward, losses_and_gradients, one_by_one
from .parity_page import limit, number
from .probes import Probe, without_dropout
from .remote import Remote
from .sides import Side, State
from .theirs import Theirs, floatx

OURS, KERAS, AGAIN, EXACT = "ours", "Keras", "Keras again", "float64"
PAIRS = ((OURS, KERAS), (AGAIN, KERAS), (OURS, EXACT), (KERAS, EXACT))
Pair = tuple[str, str]
_MARKS = (1, 3, 10, 30, 100, 300, 1000)  # steps of the free run that are looked at, and the last


def floor(recipe: Recipe, probe: Probe) -> Iterator[tuple[Pair, Check]]:
    """Yield every float32 check for each pair of `PAIRS`: forward, gradients, single steps, a free run.

    Of the recipe without dropout, for nothing to be drawn. The free run has no limit: it shows what single
    steps avoid.
    """
    recipe = without_dropout(recipe)
    start = build_ours(recipe, "float32").state()
    with floatx("float32"), Remote(recipe, "float32", threads=1) as again:
        sides: dict[str, Side] = {OURS: build_ours(recipe, "float32", probe.rates), KERAS: Theirs(recipe, "float32"),
                                  AGAIN: again, EXACT: build_ours(recipe, "float64", probe.rates)}
        for side in sides.values():
            side.load(start)
        for a, b in PAIRS:
            for check in _at_the_start(sides[a], sides[b], probe):
                yield (a, b), check
        for check in _alone_and_among(sides[KERAS], probe):
            yield (AGAIN, KERAS), check
        yield from _single_steps(sides, probe, start)
        yield from _free_run(sides, probe, start)


def rows(found: Mapping[Pair, Sequence[Check]]) -> list[dict[str, Any]]:
    """Return one row for each check's name: its limit, and by pair the largest error with its place."""
    by_pair = {pair: worst(checks) for pair, checks in found.items()}
    return [{"name": name, "limit": check.limit} | {
        " and ".join(pair): {"error": worsts[name].error, "where": worsts[name].part}
        for pair, worsts in by_pair.items()} for name, check in by_pair[PAIRS[0]].items()]


def cells(found: Sequence[Mapping[str, Any]], places: bool) -> list[list[str]]:
    """Return the lines of a table of `rows`, with `places` where each error occurred."""
    pairs = [" and ".join(pair) for pair in PAIRS]
    return [["float32", "limit", *pairs],
            *[[row["name"], limit(row["limit"]),
               *[number(row[pair]["error"]) + f" ({row[pair]['where']})" * places for pair in pairs]]
              for row in found]]


def _at_the_start(a: Side, b: Side, probe: Probe) -> Iterator[Check]:
    for check in (*forward(a, b, probe, FLOAT32), *losses_and_gradients(a, b, probe, FLOAT32)):
        if check.part != "names" and np.isfinite(check.limit):
            yield check


def _alone_and_among(side: Side, probe: Probe) -> Iterator[Check]:
    alone, among = one_by_one(side, probe.images[:ALONE]), side.layers(probe.images)
    for name, maps in alone.items():
        if maps.ndim == 4:
            yield absolute("maps, images alone", name, maps, among[name][:ALONE], FLOAT32.maps_alone)


def _single_steps(sides: Mapping[str, Side], probe: Probe, start: State) -> Iterator[tuple[Pair, Check]]:
    """Each step from Keras' state before it: as `parity.teacher_forced`, with four sides at once."""
    sides[KERAS].load(start)
    before = start
    for step, (images, labels) in enumerate(probe.batches):
        after = {}
        for name, side in sides.items():
            if name != KERAS:
                side.load(before)
            side.train_step(images, labels)
            after[name] = side.state()
        for a, b in PAIRS:
            for name, weights in after[b].weights.items():
                arrays = after[a].weights[name], weights, before.weights[name]
                check = moved("one step", f"{name}, step {step + 1}", *arrays, FLOAT32.weights)
                yield (a, b), check
                yield (a, b), replace(check, name="one step, of its length", error=check.travelled, limit=FLOAT32.step)
        before = after[KERAS]


def _free_run(sides: Mapping[str, Side], probe: Probe, start: State) -> Iterator[tuple[Pair, Check]]:
    for side in sides.values():
        side.load(start)
    for step, (images, labels) in enumerate(probe.batches, 1):
        for side in sides.values():
            side.train_step(images, labels)
        if step in _MARKS or step == len(probe.batches):
            yield from _apart(sides, start, f"free run, {step} steps")
    for a, b in PAIRS:
        count = len(probe.test_labels)
        yield (a, b), absolute("free run, predictions that differ", f"{count} images",
                               different_predictions(sides[a], sides[b], probe), 0, float("inf"))


def _apart(sides: Mapping[str, Side], start: State, name: str) -> Iterator[tuple[Pair, Check]]:
    weights = {side: found.state().weights for side, found in sides.items()}
    for a, b in PAIRS:
        for weight, array in weights[b].items():
            check = moved(name, weight, weights[a][weight], array, start.weights[weight], float("inf"))
            yield (a, b), check
            yield (a, b), replace(check, name=f"{name}, of the way", error=check.travelled)
