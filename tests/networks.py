"""Small networks for tests: random descriptions, a tiny network that carries all, starts of
ascents.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

from lit_mnist import capture
from lit_mnist.data import Standardizer
from lit_mnist.inside.passes import batches
from lit_mnist.maximize import ascent as a
from lit_mnist.maximize.inputs import START, Fluctuations, Standardised, constraint_for
from lit_mnist.maximize.rows import Rows
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec, SpecError

_ACTIVATIONS = ("relu", "elu", "tanh", "sigmoid", "linear", "leaky_relu")
_PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def specs(
    draw: st.DrawFn,
    min_size: int = 8,
    max_size: int = 16,
    max_layers: int = 4,
    dropout: bool = True,
    batch_norm: bool = True,
) -> NetworkSpec:
    """Draw a network: some image layers, flatten or global pooling, some dense layers, softmax or
    sigmoid.
    """
    sides = st.integers(min_size, max_size)
    shape = (draw(sides), draw(sides), draw(st.sampled_from([1, 3])))
    layers: list[dict] = []
    for number in range(1, draw(st.integers(1, max_layers)) + 1):
        entry = draw(_image_layer(number, dropout, batch_norm))
        if _fits(shape, [*layers, entry]):
            layers.append(entry)
    layers.append(
        draw(
            st.sampled_from(
                [
                    {"type": "flatten", "name": "Flatten"},
                    {"type": "global_pool", "name": "Global", "kind": "average"},
                    {"type": "global_pool", "name": "Global", "kind": "max"},
                ]
            )
        )
    )
    for number in range(1, draw(st.integers(0, 2)) + 1):
        layers.append(
            {
                "type": "dense",
                "name": f"Dense_{number}",
                "units": draw(st.integers(1, 6)),
                "activation": draw(st.sampled_from(_ACTIVATIONS)),
                "use_bias": draw(st.booleans()),
            }
        )
    layers.append(
        {
            "type": "dense",
            "name": "Output",
            "units": draw(st.integers(2, 10)),
            "activation": draw(st.sampled_from(["softmax", "sigmoid"])),
        }
    )
    return NetworkSpec.from_dict({"input_shape": shape, "layers": layers})


@st.composite
def _image_layer(draw: st.DrawFn, number: int, dropout: bool, batch_norm: bool) -> dict:
    kinds = ["conv", "conv", "pool", "activation", "zero_pad", "rescaling"]
    kind = draw(st.sampled_from(kinds + ["dropout"] * dropout + ["batch_norm"] * batch_norm))
    padding = draw(st.sampled_from(["valid", "same"]))
    values = {
        "conv": {
            "filters": draw(st.integers(1, 9)),
            "kernel": draw(_PAIRS),
            "padding": padding,
            "stride": draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2)])),
            "activation": draw(st.sampled_from(_ACTIVATIONS)),
            "use_bias": draw(st.booleans()),
        },
        "pool": {
            "kind": draw(st.sampled_from(["max", "average"])),
            "size": draw(_PAIRS),
            "padding": padding,
        },
        "activation": {"activation": draw(st.sampled_from(_ACTIVATIONS))},
        "zero_pad": {"padding": ((draw(st.integers(0, 2)), 1), (1, draw(st.integers(0, 2))))},
        "rescaling": {
            "factor": draw(st.sampled_from([0.5, 2.0, 1 / 255])),
            "offset": draw(st.sampled_from([0.0, 0.25])),
        },
        "dropout": {
            "rate": draw(st.sampled_from([0.0, 0.25, 0.5])),
            "spatial": draw(st.booleans()),
        },
        "batch_norm": {"center": draw(st.booleans()), "scale": draw(st.booleans())},
    }[kind]
    return {"type": kind, "name": f"{kind.title().replace('_', '')}_{number}"} | values


def _fits(shape: tuple[int, int, int], layers: list[dict]) -> bool:
    tail = [{"type": "flatten", "name": "tail"}, {"type": "dense", "name": "out", "units": 1}]
    try:
        NetworkSpec.from_dict({"input_shape": shape, "layers": [*layers, *tail]})
    except SpecError:
        return False
    return True


@st.composite
def graphs(draw: st.DrawFn, max_layers: int = 6) -> NetworkSpec:
    """Draw a network whose layers read any earlier values: branches, merges, layers called
    again.
    """
    layers: list[dict] = [
        {"type": "conv", "name": "First", "filters": 4, "padding": "same", "activation": "tanh"}
    ]
    for number in range(1, draw(st.integers(2, max_layers)) + 1):
        entry = draw(_graph_layer(number, layers))
        if _shapes(layers + [entry]) is not None:
            layers.append(entry)
    return NetworkSpec.from_dict(
        {"input_shape": _GRAPH_SHAPE, "layers": [*layers, *_joined(layers)]}
    )


_GRAPH_SHAPE = (8, 6, 2)
_MERGES = ("add", "multiply", "average", "maximum", "minimum", "concatenate")


@st.composite
def _graph_layer(draw: st.DrawFn, number: int, layers: list[dict]) -> dict:
    sources = st.sampled_from(["input", *(entry["name"] for entry in layers)])
    convolutions = [entry["name"] for entry in layers if entry["type"] == "conv"]
    kind = draw(
        st.sampled_from(
            [
                "conv",
                "depthwise_conv",
                "separable_conv",
                "activation",
                "pool",
                "upsampling",
                "prelu",
                "dropout",
                "shared",
                *_MERGES,
            ]
        )
    )
    values = {
        "conv": {
            "filters": 4,
            "kernel": draw(_PAIRS),
            "padding": draw(st.sampled_from(["same", "valid"])),
            "activation": draw(st.sampled_from(["tanh", "relu", "silu", "softplus"])),
        },
        "depthwise_conv": {"multiplier": draw(st.integers(1, 2)), "padding": "same"},
        "separable_conv": {"filters": 4, "padding": "same", "stride": draw(st.integers(1, 2))},
        "activation": {
            "activation": draw(st.sampled_from(["hard_sigmoid", "selu", "softsign", "mish"]))
        },
        "pool": {"kind": draw(st.sampled_from(["max", "average"])), "padding": "same"},
        "upsampling": {"size": draw(_PAIRS)},
        "prelu": {"shared_axes": [1, 2]},
        "dropout": {"rate": 0.3},
        "shared": {"shares": draw(st.sampled_from(convolutions))},
    }.get(kind, {})
    count = draw(st.integers(2, 3)) if kind in _MERGES else 1
    return {
        "type": kind,
        "name": f"Layer_{number}",
        "inputs": [draw(sources) for _ in range(count)],
    } | values


def _joined(layers: list[dict]) -> list[dict]:
    """Pool every value that nobody reads, put the averages together, and classify them."""
    read = {name for entry in layers for name in entry.get("inputs", ())}
    loose = [entry["name"] for entry in layers if entry["name"] not in read]
    ends = [{"type": "global_pool", "name": f"End_{name}", "inputs": [name]} for name in loose]
    together = {
        "type": "concatenate",
        "name": "Together",
        "inputs": [entry["name"] for entry in ends],
    }
    return [
        *ends,
        *([together] if len(ends) > 1 else []),
        {"type": "dense", "name": "Output", "units": 3, "activation": "softmax"},
    ]


def _shapes(layers: list[dict]) -> NetworkSpec | None:
    try:
        return NetworkSpec.from_dict(
            {"input_shape": _GRAPH_SHAPE, "layers": [*layers, *_joined(layers)]}
        )
    except SpecError:
        return None


# ---- a tiny untrained network

LAYERS = [
    {"type": "conv", "name": "Conv2D_1", "filters": 5, "kernel": 3, "activation": "relu"},
    {"type": "pool", "name": "Max_Pool_1", "size": 2},
    {"type": "conv", "name": "Conv2D_2", "filters": 9, "kernel": 3, "activation": "tanh"},
    {"type": "flatten", "name": "Flatten"},
    {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"},
]


def model_of(spec: NetworkSpec, seed: int = 0, dataset: str = "digits") -> Model:
    """A model of `spec` with pixels divided by 255."""
    standardizer = Standardizer.fit("unit", np.zeros((1, *spec.input_shape[:2]), np.uint8))
    return Model(Network(spec, seed).eval(), standardizer, dataset, Path("tiny.ckpt"), seed)


def all_values(model: Model, pixels: np.ndarray, size: int, layer: str) -> np.ndarray:
    """Return a layer's values (images, maps, positions) from passes of `size` images, whose
    rounding depends on it.
    """
    parts = []
    for batch in batches(model, pixels, size):
        with torch.no_grad(), capture(model.network, layer) as maps:
            model.network(batch)
        parts.append(maps[layer].numpy())
    values = np.concatenate(parts)
    return values.reshape(*values.shape[:2], -1)


def tiny_model(seed: int = 0) -> Model:
    """Two convolutions on 28 x 28, said to be trained on the embedded digits."""
    return model_of(NetworkSpec.from_dict({"layers": LAYERS}), seed)


# ---- for activation maximisation

SMALL = {
    "input_shape": [12, 12, 1],
    "layers": [
        {"type": "conv", "name": "Conv_1", "filters": 6, "activation": "relu"},
        {"type": "pool", "name": "Pool_1"},
        {"type": "conv", "name": "Conv_2", "filters": 8, "kernel": 2, "activation": "relu"},
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"},
    ],
}
LINEAR = {
    "input_shape": [28, 28, 1],
    "layers": [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Output", "units": 10, "activation": "softmax"},
    ],
}


def small_model(description: dict, kind: str = "global", double: bool = False) -> Model:
    spec = NetworkSpec.from_dict(description)
    images = np.random.default_rng(0).integers(0, 256, (20, *spec.input_shape[:2])).astype(np.uint8)
    network = Network(spec, seed=3).eval()
    return Model(
        network.double() if double else network,
        Standardizer.fit(kind, images),
        "digits",
        None,
        seed=3,
    )


def small_start(rows: Rows, size: int = 12, constraint=Standardised()) -> torch.Tensor:  # noqa: B008 - frozen value
    return constraint.begin(Fluctuations().draw(rows.generators(START), (1, size, size)))


def climb(model: Model, stages, rows: Rows, **more) -> a.Ascent:
    return a.ascend(
        model.network,
        stages,
        small_start(rows, model.spec.input_shape[0]),
        rows,
        constraint_for(model),
        **more,
    )
