"""Probes of random images, for networks of any input shape."""

from __future__ import annotations

import numpy as np

from lit_mnist.comparison.parity.probes import Probe
from lit_mnist.comparison.parity.sides import Array
from lit_mnist.spec import NetworkSpec


def random_probe(spec: NetworkSpec, seed: int, steps: int = 3, batch: int = 8) -> Probe:
    """Return normally distributed images with random labels."""
    generator = np.random.default_rng(seed)

    def draw(n: int) -> tuple[Array, Array]:
        return (
            generator.normal(size=(n, *spec.input_shape)).astype(np.float32),
            generator.integers(0, spec.classes, n),
        )

    images, labels = draw(batch)
    return Probe(images, labels, [draw(batch) for _ in range(steps)], *draw(3 * batch), rates=500)
