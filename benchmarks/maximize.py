"""Activation maximisation: our batch against single maps in Captum and Keras; search; memory.

Costs are per map and step, all cases on the default network's last convolution with the same
weights.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import NeuronGradient

from lit_mnist.maximize import Stage, ascend, rows_for
from lit_mnist.maximize.inputs import START, Fluctuations, Standardised, per_image_standardization
from lit_mnist.maximize.objectives import ChannelMean
from lit_mnist.maximize.start_search import search
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec

from .measure import Report, interleaved, ratios

LAYER = "Conv2D_3"
SPEC = {
    "layers": [
        {"type": "conv", "name": "Conv2D_1", "filters": 32, "activation": "relu"},
        {"type": "pool", "name": "Max_Pool_1"},
        {"type": "conv", "name": "Conv2D_2", "filters": 64, "activation": "relu"},
        {"type": "pool", "name": "Max_Pool_2"},
        {"type": "conv", "name": LAYER, "filters": 128, "activation": "relu"},
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense_2", "units": 10, "activation": "softmax"},
    ]
}
GOALS = {
    "captum, one map at a time": 6,
    "keras, eager": 20,
    "keras, tf.function": 3,
}  # times ours, at least
_SHAPE = (1, 28, 28)


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time every case in turns; `quick` is a smoke test."""
    network = Network(NetworkSpec.from_dict(SPEC), seed=1).eval().to(device)
    maps, ours_steps, steps = (32, 1, 2) if quick else (128, 20, 60)
    work = {
        "ours, all maps in one batch": (maps * 4 * ours_steps, _ours(network, maps, ours_steps)),
        "captum, one map at a time": (steps, _captum(network, steps)),
    }
    for name, compiled in (("keras, eager", False), ("keras, tf.function", True)):
        if (case := _keras(network, steps, compiled)) is not None:
            work[name] = (steps, case)
    timings = interleaved({name: case for name, (_, case) in work.items()}, rounds)
    base = next(iter(work))
    times = ratios(timings, base)
    rows: list[dict[str, Any]] = [
        {
            "case": name,
            "microseconds per map and step": 1e6 * timings[name].median / count,
            "times ours": times[name] * work[base][0] / count,
            "goal, at least": GOALS.get(name, ""),
        }
        for name, (count, _) in work.items()
    ]
    rows += [_search(network, rounds, quick), *_memory(network, quick)]
    missing = "" if len(work) == 4 else " TensorFlow is not installed: Keras was not timed."
    notes = f"{maps} maps x 4 restarts, the source's ascent.{missing}"
    return Report(f"Activation maximisation, {LAYER}", rows, notes, rounds)


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _ours(network: Network, maps: int, steps: int, restarts: int = 4) -> Callable[[], object]:
    rows = rows_for(range(maps), restarts)
    starts = Standardised().begin(Fluctuations().draw(rows.generators(START), _SHAPE))
    stages = [Stage(ChannelMean(LAYER), steps)]

    def case() -> None:
        ascend(network, stages, starts, rows, Standardised(), snapshots=0)
        _synchronise()

    return case


def _captum(network: Network, steps: int) -> Callable[[], object]:
    """Run the straightforward program: one image, the whole network, NeuronGradient for one map."""
    method = NeuronGradient(network, getattr(network, LAYER))
    start = per_image_standardization(
        torch.randn(1, *_SHAPE, generator=torch.Generator().manual_seed(0))
    ).to(next(network.parameters()))

    def case() -> None:
        image = start
        for step in range(steps):
            gradient = method.attribute(
                image.detach().requires_grad_(),
                lambda maps, chosen=step % 128: maps[:, chosen].mean((1, 2)),
            )
            image = per_image_standardization(
                image + 0.01 * gradient / (gradient.square().mean().sqrt() + 1e-7)
            )
        _synchronise()

    return case


def _keras(network: Network, steps: int, compiled: bool) -> Callable[[], object] | None:
    """Run the source's way: a sub-model up to the layer and GradientTape, one image.

    None without TensorFlow.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import tensorflow as tf
    except ImportError:
        return None
    layers = [keras.Input((28, 28, 1))]
    for info in network.spec.table:
        layers.append(
            keras.layers.Conv2D(info.output_shape[2], 3, activation="relu", name=info.name)
            if info.type == "conv"
            else keras.layers.MaxPooling2D(2, name=info.name)
        )
        if info.name == LAYER:
            break
    model = keras.Sequential(layers)
    weights = network.named_weights()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([weights[f"{layer.name}/{name}"] for name in ("kernel", "bias")])

    def step(image: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.reduce_mean(tf.gather(model(image, training=False)[0], chosen, axis=2))
        gradient = tape.gradient(value, image)
        gradient /= tf.sqrt(tf.reduce_mean(tf.square(gradient))) + 1e-7
        return tf.image.per_image_standardization(image + 0.01 * gradient)

    step = tf.function(step) if compiled else step
    start = tf.constant(np.random.default_rng(0).normal(size=(1, 28, 28, 1)).astype(np.float32))

    def case() -> None:
        image = start
        for number in range(steps):
            image = step(image, tf.constant(number % 128))
        image.numpy()

    return case


def _search(network: Network, rounds: int, quick: bool) -> dict[str, Any]:
    count = 100 if quick else 3000
    timing = interleaved({"search": lambda: search(network, LAYER, Standardised(), count)}, rounds)[
        "search"
    ]
    return _row(f"search, {count} starts x 128 maps", f"{timing} (goal: at most 5 s)")


def _memory(network: Network, quick: bool) -> list[dict[str, Any]]:
    """Return the growth of peak memory from few to many rows; only results may grow."""
    few, many = (1, 2) if quick else (1, 16)
    rows = []
    for restarts in (few, many):
        _ours(network, 128, 1, restarts)()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
        rows.append(
            _row(
                f"peak memory of the process after 128 maps x {restarts} restarts",
                f"{peak:.0f} MiB",
            )
        )
    return rows


def _row(case: str, value: str) -> dict[str, Any]:
    return {
        "case": case,
        "microseconds per map and step": "",
        "times ours": value,
        "goal, at least": "",
    }
