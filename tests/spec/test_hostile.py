"""Descriptions with any value in any key: a network, or one SpecError that names the layer; never
anything else.
"""

from __future__ import annotations

from dataclasses import fields

import pytest

from lit_mnist.spec import LAYER_TYPES, NetworkSpec, SpecError
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

JUNK = (
    None,
    True,
    -1,
    0,
    2,
    10**9,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "input",
    "same",
    [],
    [1],
    [1, 2],
    [0, -1],
    [[1, 2], [3, 4]],
    ["input", "input"],
    [None, 2],
    {},
    {"a": 1},
    [[1, 2], 3],
    "1e-6",
    [1.5, 2.5, 3.5, 4.5],
)
EXAMPLES = {
    entry["type"]: (network, place)
    for network in (NETWORKS | IN_FLOAT32).values()
    for place, entry in enumerate(network["layers"])
}


@pytest.mark.parametrize("kind", LAYER_TYPES)
def test_any_value_in_any_key(kind: str) -> None:
    network, place = EXAMPLES[kind]
    for key in ("type", *(field.name for field in fields(LAYER_TYPES[kind]))):
        for value in JUNK:
            layers = list(network["layers"])
            layers[place] = layers[place] | {key: value}
            try:
                spec = NetworkSpec.from_dict(network | {"layers": layers})
            except SpecError as error:
                assert "\n" not in str(error)
            else:
                assert NetworkSpec.from_dict(spec.to_dict()) == spec or value != value


@pytest.mark.parametrize(
    "key", ["input_shape", "initializer", "initializer_scale", "layers", "outputs"]
)
@pytest.mark.parametrize("value", JUNK, ids=str)
def test_any_value_in_the_networks_keys(key: str, value: object) -> None:
    try:
        NetworkSpec.from_dict(NETWORKS["merges"] | {key: value})
    except SpecError as error:
        assert "\n" not in str(error)
