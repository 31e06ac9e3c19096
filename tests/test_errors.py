"""The wording of error messages: lists of names, short ones whole, long ones by their nearest."""

from __future__ import annotations

import pytest

from lit_mnist.errors import listed, nearest
from lit_mnist.inside.capture import CaptureError, capture
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec, SpecError

MANY = [f"block{number}_conv" for number in range(1, 61)]


def test_short_lists_are_whole() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert nearest("rely", ["elu", "relu"]) == "did you mean 'relu'? Accepted: elu, relu"
    assert listed(MANY[:40]).count(",") == 39


def test_long_lists_are_cut_and_counted() -> None:
    text = listed(MANY, "`summary` lists them")
    assert text == ", ".join(MANY[:10]) + " and 50 others (`summary` lists them)"


def test_of_many_names_the_nearest_are_shown() -> None:
    text = nearest("Block52_cnv", MANY)
    assert text.startswith("did you mean 'block52_conv'? Accepted: block52_conv, ")
    assert text.endswith(" and 50 others")
    shown = text.partition("Accepted: ")[2].partition(" and ")[0].split(", ")
    assert len(set(shown)) == 10 and all("5" in name or "2" in name for name in shown)


def test_a_large_network_names_the_nearest_layers() -> None:
    layers = [{"type": "activation", "name": name, "activation": "relu"} for name in MANY]
    layers += [{"type": "flatten", "name": "Flatten"}]
    network = Network(NetworkSpec.from_dict({"input_shape": [4, 4, 1], "layers": layers}))
    with pytest.raises(CaptureError) as unknown, capture(network, ["block52_cnov"]):
        pass
    with pytest.raises(CaptureError) as none, capture(network, []):
        pass
    with pytest.raises(SpecError) as row:
        network.spec["block52_cnov"]
    for error in (unknown, none, row):
        assert "others (`summary` lists them)" in str(error.value)
        assert len(str(error.value)) < 300
    for error in (unknown, row):
        assert "did you mean 'block52_conv'?" in str(error.value)
