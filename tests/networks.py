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
