"""Parity: with the same weights, both frameworks give the same numbers, at every level.

Each function yields `Check` records; other modules print and judge them. docs/parity.md explains
the limits; none may be loosened without a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from keras_baseline.recipe import Recipe

from ...spec.weights import Weights
from .checks import Check, absolute, equal, moved, same_keys
from .keras_side import KerasSide, floatx
from .probes import Probe, without_dropout
from .sides import Array, Side, State
from .terms import NO_TERMS, Sizes, Terms, relative_to_terms
from .torch_side import TorchSide, build_torch_side

Plant = Callable[[TorchSide], TorchSide]
# float64 steps after which rounding exceeds the losses' limit, in Keras itself too
LATE = 500
ALONE = 8  # images that are passed one by one
# scales the last kernel: probabilities reach 0 and 1 in float32; a power of two, so exactly
_SATURATION = 64.0


@dataclass(frozen=True)
class Limits:
    """Largest accepted errors; `forward` and `gradient` are relative, `maps` (conv, pool) absolute.

    `step` is relative to the step (Euclidean). docs/parity.md says where each limit comes from.
    """

    forward: float
    gradient: float
    loss: float
    weights: float
    late_loss: float = np.inf  # after step LATE
    maps: float = np.inf
    maps_alone: float = (
        np.inf
    )  # of single images: torch sums those in another order, see docs/parity.md
    probabilities: float = np.inf
    step: float = np.inf


FLOAT64 = Limits(forward=1e-13, gradient=1e-13, loss=1e-13, weights=1e-12, late_loss=1e-12)
FLOAT32 = Limits(
    forward=5e-6,
    gradient=3e-6,
    loss=1e-6,
    weights=3e-7,
    maps=1e-6,
    maps_alone=3e-6,
    probabilities=2e-7,
    step=1e-5,
)
LIMITS = {"float64": FLOAT64, "float32": FLOAT32}


def unchanged(ours: TorchSide) -> TorchSide:
    """Return our side without a fault."""
    return ours


def parity(
    recipe: Recipe,
    probe: Probe,
    dtype: str = "float64",
    plant: Plant = unchanged,
    theirs: tuple[KerasSide, KerasSide] | None = None,
    forced: bool = False,
    training: bool = True,
) -> Iterator[Check]:
    """Yield every check of `recipe` at its initial weights, and of a run over the probe's batches.

    In float64 the sides run freely; in float32 they diverge, so that steps are compared only with
    `forced`, each from Keras' own state. `plant` changes our side, for tests that must fail.
    `theirs` are Keras' sides with and without dropout, if they are built already. Without
    `training`, only structure, outputs and round trips are checked.
    """
    limits = LIMITS[dtype]
    with floatx(dtype):
        whole, plain = theirs or keras_sides(recipe, dtype)
        start = build_torch_side(recipe, dtype).state()
        plain.load(start)
        whole.load(start)
        ours = plant(build_torch_side(recipe, dtype, probe.rates))
        yield from structure(ours, whole)
        terms = Terms(plain, FLOAT32.forward, FLOAT32.gradient) if dtype == "float64" else NO_TERMS
        yield from forward(ours, whole, probe, limits, terms)
        if training:
            yield from evaluation(ours, whole, probe, limits)
            ours = plant(build_torch_side(without_dropout(recipe), dtype, probe.rates))
            yield from losses_and_gradients(ours, plain, probe, limits, terms)
            yield from schedule(ours, plain, probe.rates, dtype)
            if dtype == "float64":
                yield from trajectory(ours, plain, probe, start, limits)
            elif forced:
                yield from teacher_forced(ours, plain, probe, start, limits)
        yield from round_trip(ours, plain)


def keras_sides(recipe: Recipe, dtype: str) -> tuple[KerasSide, KerasSide]:
    """Return Keras' sides with and without dropout, which are the same if there is none."""
    with floatx(dtype):
        whole = KerasSide(recipe, dtype)
        plain = without_dropout(recipe)
        return whole, whole if plain == recipe else KerasSide(plain, dtype)


def structure(ours: Side, theirs: Side) -> Iterator[Check]:
    """Layer names, output shapes and parameter counts are equal, in order."""
    a = ours.structure()
    b = theirs.structure()
    yield same_keys("structure", a, b)
    for name in b:
        yield equal("structure", name, a.get(name), b[name])


def forward(
    ours: Side, theirs: Side, probe: Probe, limits: Limits, terms: Terms = NO_TERMS
) -> Iterator[Check]:
    """Check every layer's output in evaluation, on a batch of images and on single images.

    Errors are relative to the largest output, or to its terms where it is rounding (`terms`).
    """
    a = ours.layers(probe.images)
    b = theirs.layers(probe.images)
    sizes = terms.of_layers(probe)
    yield from _outputs("", a, b, limits, limits.maps, sizes)
    differ = sum(name not in a or not np.array_equal(a[name], b[name]) for name in b)
    yield absolute("layers not bit-equal", f"{len(probe.images)} images", differ, 0, np.inf)
    a, b = (one_by_one(side, probe.images[:ALONE]) for side in (ours, theirs))
    yield from _outputs(", images alone", a, b, limits, limits.maps_alone, sizes)


def one_by_one(side: Side, images: Array) -> dict[str, Array]:
    """Return every layer's output of `images`, one at a time.

    Frameworks choose other kernels for single images.
    """
    alone = [side.layers(images[i : i + 1]) for i in range(len(images))]
    return {name: np.concatenate([outputs[name] for outputs in alone]) for name in alone[0]}


def _outputs(
    how: str,
    a: Mapping[str, Array],
    b: Mapping[str, Array],
    limits: Limits,
    maps: float,
    sizes: Sizes,
) -> Iterator[Check]:
    yield same_keys("forward", a, b)
    for name in b:
        pair = a.get(name, np.nan), b[name]
        yield relative_to_terms(f"forward{how}", name, *pair, limits.forward, sizes)
        if b[name].ndim == 4:
            yield absolute(f"maps{how}", name, a.get(name, np.nan), b[name], maps)
    last = list(b)[-1]
    yield absolute(f"probabilities{how}", last, a.get(last, np.nan), b[last], limits.probabilities)


def losses_and_gradients(
    ours: Side, theirs: Side, probe: Probe, limits: Limits, terms: Terms = NO_TERMS
) -> Iterator[Check]:
    """Loss and gradients are equal at the initial weights, and where the outputs are saturated.

    Errors are relative to the largest element, or to its terms where it is rounding (`terms`).
    """
    state = theirs.state()
    for name, start in (("", state), (" (saturated)", _saturated(ours, state))):
        ours.load(start)
        theirs.load(start)
        (a, ours_by), (b, theirs_by) = (
            side.loss_and_gradients(probe.images, probe.labels) for side in (ours, theirs)
        )
        yield absolute(f"loss{name}", "batch", a, b, limits.loss * max(1.0, abs(b)))
        sizes = terms.of_gradients(probe)
        yield same_keys(f"gradient{name}", ours_by, theirs_by)
        for weight in theirs_by:
            pair = ours_by.get(weight, np.nan), theirs_by[weight]
            yield relative_to_terms(f"gradient{name}", weight, *pair, limits.gradient, sizes)
    ours.load(state)
    theirs.load(state)


def evaluation(ours: Side, theirs: Side, probe: Probe, limits: Limits) -> Iterator[Check]:
    """The reported loss (regularisers included, last batch smaller) and the accuracy are equal."""
    n = min(len(probe.test_labels), 250)
    size = max(n * 2 // 5, 1)
    a, b = (
        side.evaluate(probe.test_images[:n], probe.test_labels[:n], size) for side in (ours, theirs)
    )
    yield absolute("evaluation loss", f"{n} images", a[0], b[0], limits.loss * max(1.0, abs(b[0])))
    yield absolute("evaluation accuracy", f"{n} images", a[1], b[1], 1e-6)


def schedule(ours: Side, theirs: Side, steps: int, dtype: str) -> Iterator[Check]:
    """The learning rates of all steps are equal, bit for bit, as the update uses them."""
    a = ours.rates(steps).astype(dtype)
    b = theirs.rates(steps).astype(dtype)
    yield absolute("schedule", f"{steps} steps", a, b, 0.0)


def trajectory(
    ours: Side, theirs: Side, probe: Probe, start: State, limits: Limits
) -> Iterator[Check]:
    """Check free runs from the same start: losses, weights, slots and test predictions."""
    ours.load(start)
    theirs.load(start)
    for step, (images, labels) in enumerate(probe.batches):
        a = ours.train_step(images, labels)
        b = theirs.train_step(images, labels)
        limit = limits.loss if step < LATE else limits.late_loss
        yield absolute("loss by step", f"step {step + 1}", a, b, limit)
    a = ours.state()
    b = theirs.state()
    yield same_keys("trajectory", a.weights, b.weights)
    for name in b.weights:
        yield moved(
            "trajectory",
            name,
            a.weights[name],
            b.weights[name],
            start.weights[name],
            limits.weights,
        )
    yield from _slots("slots", a, b, limits.weights)
    yield absolute(
        "predictions",
        f"{len(probe.test_labels)} images",
        different_predictions(ours, theirs, probe),
        0,
        0,
    )


def teacher_forced(
    ours: Side, theirs: Side, probe: Probe, start: State, limits: Limits
) -> Iterator[Check]:
    """From Keras' weights and slots, copied before each step, our step ends where Keras' ends."""
    theirs.load(start)
    before = start
    for step, (images, labels) in enumerate(probe.batches):
        ours.load(before)
        a = ours.train_step(images, labels)
        b = theirs.train_step(images, labels)
        yield absolute("teacher-forced loss", f"step {step + 1}", a, b, limits.loss)
        after = theirs.state()
        mine = ours.state().weights
        for name in after.weights:
            arrays = mine[name], after.weights[name], before.weights[name]
            check = moved("teacher-forced", f"{name}, step {step + 1}", *arrays, limits.weights)
            yield check
            yield replace(
                check, name="teacher-forced, of the step", error=check.travelled, limit=limits.step
            )
        before = after


def round_trip(ours: Side, theirs: Side) -> Iterator[Check]:
    """Weights and slots survive the way to the other framework and back, bit for bit."""
    for name, sender, receiver in (
        ("Keras to ours", theirs, ours),
        ("ours to Keras", ours, theirs),
    ):
        sent = sender.state()
        receiver.load(sent)
        received = receiver.state()
        for weight in sent.weights:
            yield absolute(
                "round trip",
                f"{weight}, {name}",
                received.weights[weight],
                sent.weights[weight],
                0.0,
            )
        yield from _slots("round trip of slots", received, sent, 0.0)
        yield equal(
            "round trip of slots",
            "step",
            (received.step, received.scalars),
            (sent.step, sent.scalars),
        )


def _slots(name: str, ours: State, theirs: State, limit: float) -> Iterator[Check]:
    yield equal(name, "names", sorted(ours.slots), sorted(theirs.slots))
    for slot, arrays in theirs.slots.items():
        for weight, array in arrays.items():
            yield absolute(
                name,
                f"{slot} of {weight}",
                ours.slots.get(slot, {}).get(weight, np.nan),
                array,
                limit,
            )


def different_predictions(ours: Side, theirs: Side, probe: Probe) -> int:
    """Return the number of test images that the two classify differently."""
    last = ours.spec.output
    count = 0
    for start in range(0, len(probe.test_labels), 1000):
        images = probe.test_images[start : start + 1000]
        count += int(
            (_classes(ours.layers(images)[last]) != _classes(theirs.layers(images)[last])).sum()
        )
    return count


def _classes(probabilities: Array) -> Array:
    """Return the predicted classes (N,); one unit gives the probability of class 1."""
    return probabilities[:, 0] > 0.5 if probabilities.shape[1] == 1 else probabilities.argmax(1)


def _saturated(side: Side, state: State) -> State:
    scaled: Weights = dict(state.weights)
    last = [name for name in scaled if name.endswith("/kernel")][-1]
    scaled[last] = scaled[last] * np.asarray(_SATURATION, scaled[last].dtype)
    return replace(state, weights=scaled)
