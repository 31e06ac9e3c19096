"""Every layer type and random graphs against torch: shapes, weights, what units see."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from lit_mnist.network import Network
from lit_mnist.spec import LAYER_TYPES, Layer, NetworkSpec
from lit_mnist.spec.weights import from_torch, initial_weights, to_torch, weight_shapes
from tests.networks import graphs
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

from .blocks import FLATTEN, OUT


@pytest.mark.parametrize("name", NETWORKS | IN_FLOAT32)
def test_every_layer_type_agrees_with_torch(name: str) -> None:
    """Shapes and weights by arithmetic are those of the modules; plain values and weights survive
    the way back.
    """
    check(NetworkSpec.from_dict((NETWORKS | IN_FLOAT32)[name]))


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_random_graphs_agree_with_torch(spec: NetworkSpec) -> None:
    check(spec)
    network, x = Network(spec, 1).double().eval(), torch.rand(2, 2, 8, 6, dtype=torch.float64)
    assert torch.equal(network(x), network.training_logits(x))


def check(spec: NetworkSpec) -> None:
    network = Network(spec, seed=1).eval()
    height, width, channels = spec.input_shape
    values = network.layer_values(torch.rand(2, channels, height, width), *spec.names)
    for info in spec.table:
        x = values[info.name]
        assert (
            (*x.shape[2:], x.shape[1]) if x.dim() == 4 else tuple(x.shape[1:])
        ) == info.output_shape, info
        assert (
            sum(t.numel() for t in getattr(network, info.name).state_dict().values())
            == info.parameters
        ), info
    assert spec.trainable_parameters == sum(p.numel() for p in network.parameters())
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    weights = initial_weights(spec, seed=5)
    assert {name: array.shape for name, array in weights.items()} == weight_shapes(spec)
    back = from_torch(spec, to_torch(spec, weights))
    assert all(
        (weights[name] == back[name]).all() and weights[name].dtype == back[name].dtype
        for name in weights
    )


def conv(kind: str = "conv", **options: object) -> dict[str, object]:
    return {"type": kind, "name": "L", "filters": 1, **options}


def transposed_conv(**options: object) -> dict[str, object]:
    return conv("transposed_conv", **options)


@pytest.mark.parametrize(
    "layers",
    [
        [
            {"type": "upsampling", "name": "L", "size": [2, 3]},
            {"type": "conv", "name": "M", "filters": 1, "kernel": 2},
        ],
        [{"type": "upsampling", "name": "L", "interpolation": "bilinear"}],
        [{"type": "upsampling", "name": "L", "size": 3, "interpolation": "bilinear"}],
        [transposed_conv(kernel=3, stride=2, padding="same")],
        [transposed_conv(kernel=[3, 4], stride=[3, 2])],
        [transposed_conv(kernel=[3, 2], stride=2, padding="same", output_padding=[0, 1])],
        [transposed_conv(kernel=[2, 3], dilation=[2, 1], padding="same")],
        [{"type": "cropping", "name": "L", "cropping": [[2, 1], [3, 0]]}],
        [conv(kernel=[2, 3], dilation=[2, 1], padding="same")],
        [{"type": "separable_conv", "name": "L", "filters": 2, "kernel": [3, 2], "stride": 2}],
    ],
)
def test_receptive_fields_hold_what_units_see(layers: list[dict]) -> None:
    """Exactly, or after layers that enlarge within less than a pixel of the layer below."""
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [22, 22, 1],
            "layers": [
                {"type": "conv", "name": "C", "filters": 2, "kernel": 3, "stride": 2},
                *layers,
                FLATTEN,
                OUT,
            ],
        }
    )
    network, name = Network(spec, 3).double(), layers[-1]["name"]
    info = spec[name]
    for place in ((1, 1), (2, 3), (3, 2)):
        image = torch.rand(8, 1, 22, 22, dtype=torch.float64, requires_grad=True)
        network.layer_values(image, name)[name][:, :, *place].sum().backward()
        rows, columns = image.grad.abs().sum((0, 1)).nonzero().T
        for seen, axis in ((rows, 0), (columns, 1)):
            first = info.start[axis] + place[axis] * info.jump[axis]
            assert (
                first <= seen.min() and seen.max() + 1 <= first + info.receptive_field[axis] + 0.999
            ), (name, axis)
            assert info.receptive_field[axis] - (seen.max() + 1 - seen.min()) <= 4


def test_every_type_has_a_name_and_a_description() -> None:
    for name, cls in LAYER_TYPES.items():
        assert cls.type == name and issubclass(cls, Layer) and cls.__doc__
