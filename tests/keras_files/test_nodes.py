"""Graphs that cannot be are refused, by the name of the layer at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lit_mnist.keras_files import KerasFileError, read_keras
from tests.keras_files.files import CONV, INPUT, configured, layer


def functional(
    *entries: tuple[str, str, list[str]],
    inputs: tuple[str, ...] = ("i",),
    outputs: tuple[str, ...] = ("d",),
    calls_without: str = "",
) -> dict[str, Any]:
    """Layers and ends of a functional model, in Keras 2's form: (class, name, names of what goes
    in).
    """
    kinds = {"InputLayer": INPUT, "Conv2D": CONV, "Dense": {"units": 4}}
    layers = [
        layer(kind, name, **kinds.get(kind, {}))
        | {
            "name": name,
            "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else [],
        }
        for kind, name, sources in entries
    ]
    for entry in layers:
        if entry["name"] == calls_without:
            entry["inbound_nodes"] = [{"args": [], "kwargs": {}}]
    return {
        "layers": layers,
        "kind": "Functional",
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }


HEAD = (("InputLayer", "i", []), ("Conv2D", "c", ["i"]))
GRAPHS = {
    "two inputs": (
        (
            ("InputLayer", "i", []),
            ("InputLayer", "j", []),
            ("Add", "s", ["i", "j"]),
            ("Flatten", "f", ["s"]),
            ("Dense", "d", ["f"]),
        ),
        {"inputs": ("i", "j")},
        r"the model has 2 inputs \(i, j\); accepted: one",
    ),
    "a circle": (
        (("InputLayer", "i", []), ("Conv2D", "c", ["d"]), ("Dense", "d", ["c"])),
        {},
        "'c' of type Conv2D reads 'd', which is no layer before it",
    ),
    "unknown source": (
        (*HEAD, ("Flatten", "f", ["x"]), ("Dense", "d", ["f"])),
        {},
        "'f' of type Flatten reads 'x'",
    ),
    "unknown output": (
        (*HEAD, ("Flatten", "f", ["c"]), ("Dense", "d", ["f"])),
        {"outputs": ("x",)},
        "output 'x'",
    ),
    "same name": (
        (*HEAD, ("Flatten", "c", ["c"]), ("Dense", "d", ["c"])),
        {},
        "two layers are named 'c'",
    ),
    "shapes that do not merge": (
        (*HEAD, ("Add", "s", ["i", "c"]), ("Flatten", "f", ["s"]), ("Dense", "d", ["f"])),
        {},
        "layer 's': inputs of the shapes",
    ),
    "on nothing": (
        (*HEAD, ("Flatten", "f", ["c"]), ("Dense", "d", [])),
        {"calls_without": "d"},
        "'d'.*called on no",
    ),
    "a layer that leads nowhere": (
        (*HEAD, ("Flatten", "f", ["c"]), ("Flatten", "g", ["c"]), ("Dense", "d", ["g"])),
        {},
        "layer 'f' leads to no output",
    ),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_that_cannot_be_is_refused(tmp_path: Path, case: str) -> None:
    entries, options, reason = GRAPHS[case]
    with pytest.raises(KerasFileError, match=reason):
        read_keras(configured(tmp_path / "model.keras", **functional(*entries, **options)))
