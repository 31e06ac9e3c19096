"""Random, valid NetworkSpecs for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from lit_mnist.spec import NetworkSpec, SpecError

_ACTIVATIONS = ("relu", "elu", "tanh", "sigmoid", "linear", "leaky_relu")
_PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def specs(draw: st.DrawFn, min_size: int = 8, max_size: int = 16, max_layers: int = 4, dropout: bool = True,
          batch_norm: bool = True) -> NetworkSpec:
    """Draw a network: some image layers, flatten or global pooling, some dense layers, softmax or sigmoid."""
    sides = st.integers(min_size, max_size)
    shape = (draw(sides), draw(sides), draw(st.sampled_from([1, 3])))
    layers: list[dict] = []
    for number in range(1, draw(st.integers(1, max_layers)) + 1):
        entry = draw(_image_layer(number, dropout, batch_norm))
        if _fits(shape, [*layers, entry]):
            layers.append(entry)
    layers.append(draw(st.sampled_from([{"type": "flatten", "name": "Flatten"},
                                        {"type": "global_pool", "name": "Global", "kind": "average"},
                                        {"type": "global_pool", "name": "Global", "kind": "max"}])))
    for number in range(1, draw(st.integers(0, 2)) + 1):
        layers.append({"type": "dense", "name": f"Dense_{number}", "units": draw(st.integers(1, 6)),
                       "activation": draw(st.sampled_from(_ACTIVATIONS)), "use_bias": draw(st.booleans())})
    layers.append({"type": "dense", "name": "Output", "units": draw(st.integers(2, 10)),
                   "activation": draw(st.sampled_from(["softmax", "sigmoid"]))})
    return NetworkSpec.from_dict({"input_shape": shape, "layers": layers})


@st.composite
def _image_layer(draw: st.DrawFn, number: int, dropout: bool, batch_norm: bool) -> dict:
    kinds = ["conv", "conv", "pool", "activation", "zero_pad", "rescaling"]
    kind = draw(st.sampled_from(kinds + ["dropout"] * dropout + ["batch_norm"] * batch_norm))
    padding = draw(st.sampled_from(["valid", "same"]))
    values = {
        "conv": {"filters": draw(st.integers(1, 9)), "kernel": draw(_PAIRS), "padding": padding,
                 "stride": draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2)])),
                 "activation": draw(st.sampled_from(_ACTIVATIONS)), "use_bias": draw(st.booleans())},
        "pool": {"kind": draw(st.sampled_from(["max", "average"])), "size": draw(_PAIRS), "padding": padding},
        "activation": {"activation": draw(st.sampled_from(_ACTIVATIONS))},
        "zero_pad": {"padding": ((draw(st.integers(0, 2)), 1), (1, draw(st.integers(0, 2))))},
        "rescaling": {"factor": draw(st.sampled_from([0.5, 2.0, 1 / 255])),
                      "offset": draw(st.sampled_from([0.0, 0.25]))},
        "dropout": {"rate": draw(st.sampled_from([0.0, 0.25, 0.5])), "spatial": draw(st.booleans())},
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
    """Draw a network whose layers read any earlier values: branches, merges, layers called again."""
    layers: list[dict] = [{"type": "conv", "name": "First", "filters": 4, "padding": "same", "activation": "tanh"}]
    for number in range(1, draw(st.integers(2, max_layers)) + 1):
        entry = draw(_graph_layer(number, layers))
        if _shapes(layers + [entry]) is not None:
            layers.append(entry)
    return NetworkSpec.from_dict({"input_shape": _GRAPH_SHAPE, "layers": [*layers, *_joined(layers)]})


_GRAPH_SHAPE = (8, 6, 2)
_MERGES = ("add", "multiply", "average", "maximum", "minimum", "concatenate")


@st.composite
def _graph_layer(draw: st.DrawFn, number: int, layers: list[dict]) -> dict:
    sources = st.sampled_from(["input", *(entry["name"] for entry in layers)])
    convolutions = [entry["name"] for entry in layers if entry["type"] == "conv"]
    kind = draw(st.sampled_from(["conv", "depthwise_conv", "separable_conv", "activation", "pool", "upsampling",
                                 "prelu", "dropout", "shared", *_MERGES]))
    values = {
        "conv": {"filters": 4, "kernel": draw(_PAIRS), "padding": draw(st.sampled_from(["same", "valid"])),
                 "activation": draw(st.sampled_from(["tanh", "relu", "silu", "softplus"]))},
        "depthwise_conv": {"multiplier": draw(st.integers(1, 2)), "padding": "same"},
        "separable_conv": {"filters": 4, "padding": "same", "stride": draw(st.integers(1, 2))},
        "activation": {"activation": draw(st.sampled_from(["hard_sigmoid", "selu", "softsign", "mish"]))},
        "pool": {"kind": draw(st.sampled_from(["max", "average"])), "padding": "same"},
        "upsampling": {"size": draw(_PAIRS)},
        "prelu": {"shared_axes": [1, 2]},
        "dropout": {"rate": 0.3},
        "shared": {"shares": draw(st.sampled_from(convolutions))},
    }.get(kind, {})
    count = draw(st.integers(2, 3)) if kind in _MERGES else 1
    return {"type": kind, "name": f"Layer_{number}", "inputs": [draw(sources) for _ in range(count)]} | values


def _joined(layers: list[dict]) -> list[dict]:
    """Pool every value that nobody reads, put the averages together, and classify them."""
    read = {name for entry in layers for name in entry.get("inputs", ())}
    loose = [entry["name"] for entry in layers if entry["name"] not in read]
    ends = [{"type": "global_pool", "name": f"End_{name}", "inputs": [name]} for name in loose]
    together = {"type": "concatenate", "name": "Together", "inputs": [entry["name"] for entry in ends]}
    return [*ends, *([together] if len(ends) > 1 else []),
            {"type": "dense", "name": "Output", "units": 3, "activation": "softmax"}]


def _shapes(layers: list[dict]) -> NetworkSpec | None:
    try:
        return NetworkSpec.from_dict({"input_shape": _GRAPH_SHAPE, "layers": [*layers, *_joined(layers)]})
    except SpecError:
        return None
