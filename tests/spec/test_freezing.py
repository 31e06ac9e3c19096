"""Layers frozen by pattern, and what cannot be frozen."""

from __future__ import annotations

import pytest

from lit_mnist.spec import NetworkSpec, SpecError

LAYERS = [
    {"type": "conv", "name": "block1_conv", "filters": 2},
    {"type": "batch_norm", "name": "block1_norm"},
    {"type": "pool", "name": "block1_pool"},
    {"type": "flatten", "name": "flatten"},
    {"type": "dense", "name": "head", "units": 2, "activation": "softmax"},
]


@pytest.mark.parametrize("patterns", ["block1_*", ["block1_conv", "*norm"]])
def test_patterns_freeze_what_has_weights(patterns: object) -> None:
    spec = NetworkSpec.from_dict({"layers": LAYERS, "frozen": patterns})
    assert [layer.name for layer in spec.layers if not layer.trainable] == [
        "block1_conv",
        "block1_norm",
    ]
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    assert "frozen" not in spec.to_dict()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"frozen": "block2_*"}, "'block2_\\*' matches no layer with weights; .*block1_"),
        ({"frozen": "block1_pool"}, "'block1_pool' matches no layer with weights"),
        ({"frozen": 3}, "frozen = 3 cannot work; accepted: a pattern"),
        ({"frozn": "a"}, "unknown key 'frozn'.*frozen"),
    ],
)
def test_what_cannot_be_frozen(network: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NetworkSpec.from_dict({"layers": LAYERS} | network)


def test_trainable_takes_truth_values() -> None:
    with pytest.raises(SpecError, match="layer 'block1_conv': trainable = 'no' cannot work"):
        NetworkSpec.from_dict({"layers": [LAYERS[0] | {"trainable": "no"}, *LAYERS[1:]]})


def test_shared_weights_are_frozen_at_their_owner() -> None:
    again = {"type": "shared", "name": "again", "shares": "same", "trainable": False}
    same = {"type": "conv", "name": "same", "filters": 1, "padding": "same"}
    with pytest.raises(SpecError, match="'again': trainable = False.*'same': freeze that layer"):
        NetworkSpec.from_dict({"layers": [same, again, *LAYERS[3:]]})
