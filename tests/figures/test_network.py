"""The drawn network: a box for every layer, an arrow for every input, nothing on top of anything
else.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from lit_mnist.figures.network import network_svg
from lit_mnist.spec import NetworkSpec
from tests.parity.layer_types import NETWORKS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_and_arrows(name: str) -> None:
    spec = NetworkSpec.from_dict(NETWORKS[name])
    picture = ElementTree.fromstring(network_svg(spec))
    boxes = [
        tuple(float(box.get(key, "")) for key in ("x", "y", "width", "height"))
        for box in picture.iter(f"{SVG}rect")
    ]
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert set(words) >= {"input", *spec.names}
    assert len(boxes) == len(spec.names) + 1
    assert len([path for path in picture.iter(f"{SVG}path") if path.get("marker-end")]) == sum(
        map(len, spec.sources.values())
    )
    width, height = float(picture.get("width", "")), float(picture.get("height", ""))
    for place, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and x + w <= width and y >= 0 and y + h <= height
        for other_x, other_y, _, _ in boxes[:place]:
            assert abs(x - other_x) >= w or abs(y - other_y) >= h


def test_outputs_stand_out_and_names_are_escaped(cnn_spec: NetworkSpec) -> None:
    picture = ElementTree.fromstring(network_svg(cnn_spec))
    bold = [box.get("stroke-width") for box in picture.iter(f"{SVG}rect")]
    assert bold == [None] * len(cnn_spec.names) + ["2"]
