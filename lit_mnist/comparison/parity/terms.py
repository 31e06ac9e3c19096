"""The size of a result's terms, where these cancel and the result is only rounding.

A sum is rounded relative to its terms, not to itself: where they cancel, as in the gradient of a
bias before batch normalisation, or in TensorFlow's elu, ``exp(x) - 1``, two correct programs need
not share a digit. The float32 error shows their size: if it is within float32's limit, the terms
are as large as the result; otherwise, their size is that error divided by that limit. A float64
error that is too large for the result itself is measured against this size. So it may be at most
the float32 error times the ratio of the limits, about 3e-8: a fault, which changes both precisions
alike, is far above it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .checks import Check, difference, relative
from .keras_side import KerasSide, floatx
from .probes import Probe
from .sides import Array, Side
from .torch_side import build_torch_side

Results = Mapping[str, Array]
Sizes = Callable[[], Mapping[str, float]]  # by layer or weight; worked out when a check asks


@dataclass(frozen=True)
class Terms:
    """Sizes of the terms of `keras`' results in float64, at the weights that it has when asked.

    They follow from both frameworks' float32 results, without a planted fault; `forward` and
    `gradient` are float32's limits. Without `keras`, no result has terms.
    """

    keras: KerasSide | None
    forward: float
    gradient: float

    def of_layers(self, probe: Probe) -> Sizes:
        """Return the sizes for the layers' outputs."""
        return self._sizes(lambda side: side.layers(probe.images), self.forward)

    def of_gradients(self, probe: Probe) -> Sizes:
        """Return the sizes for the weights' gradients."""
        return self._sizes(
            lambda side: side.loss_and_gradients(probe.images, probe.labels)[1], self.gradient
        )

    def _sizes(self, results: Callable[[Side], Results], limit: float) -> Sizes:
        @functools.cache
        def sizes() -> Mapping[str, float]:
            if self.keras is None:
                return {}
            exact = results(self.keras)
            rounded = _in_float32(self.keras, results)
            return {
                name: max(_size(r[name], exact[name]) for r in rounded) / limit for name in exact
            }

        return sizes


NO_TERMS = Terms(None, math.inf, math.inf)


def relative_to_terms(
    name: str, part: str, ours: Array | float, theirs: Array, limit: float, sizes: Sizes
) -> Check:
    """Check the largest difference relative to the reference's largest value, or to its terms."""
    check = relative(name, part, ours, theirs, limit)
    if check.passed:
        return check
    return relative(name, part, ours, theirs, limit, least=sizes().get(part, 0.0))


def _in_float32(keras: KerasSide, results: Callable[[Side], Results]) -> list[Results]:
    state = keras.state()
    with floatx("float32"):
        sides = (keras.in_float32, build_torch_side(keras.recipe, "float32"))
        for side in sides:
            side.load(state)
        return [results(side) for side in sides]


def _size(rounded: Array, exact: Array) -> float:
    error = difference(rounded, exact).absolute
    return error if math.isfinite(error) else 0.0
