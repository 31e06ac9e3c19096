"""Probes of random images, for networks of any input shape."""

from __future__ import annotations

import numpy as np

from lit_mnist.comparison.parity.probes import Probe
from lit_mnist.comparison.parity.sides import Array
from lit_mnist.spec import NetworkSpec


def random_probe(
    spec: NetworkSpec, seed: int, steps: int = 3, batch: int = 8, one_class: bool = False
) -> Probe:
    """Return normally distributed images with random labels.

    With `one_class` the images whose loss and gradients are compared are all of class 0, so that
    the errors of an output have one sign. Otherwise the errors of saturated outputs can cancel, as
    drawn networks show now and then, and the gradient of a bias is then mere rounding.
    """
    generator = np.random.default_rng(seed)

    def draw(n: int) -> tuple[Array, Array]:
        return (
            generator.normal(size=(n, *spec.input_shape)).astype(np.float32),
            generator.integers(0, spec.classes, n),
        )

    images, labels = draw(batch)
    first = np.zeros_like(labels) if one_class else labels
    return Probe(images, first, [draw(batch) for _ in range(steps)], *draw(3 * batch), rates=500)
