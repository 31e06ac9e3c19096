"""Networks that branch: how layers name their inputs, what they see, and what cannot be joined."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from lit_mnist.network import Network
from lit_mnist.spec import LAYER_TYPES, Layer, NetworkSpec, SpecError
from lit_mnist.spec.weights import from_torch, initial_weights, to_torch, weight_shapes
from tests.networks import graphs
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

OUT = {"type": "dense", "name": "Out", "units": 10, "activation": "softmax"}
FLATTEN = {"type": "flatten", "name": "Flatten"}
RESIDUAL = [
    {"type": "conv", "name": "Conv2D_1", "filters": 4, "padding": "same"},
    {"type": "conv", "name": "Conv2D_2", "filters": 4, "padding": "same", "inputs": ["Conv2D_1"]},
    {"type": "add", "name": "Add_1", "inputs": ["Conv2D_1", "Conv2D_2"]},
]


def build(*layers: dict, **values: object) -> NetworkSpec:
    return NetworkSpec.from_dict({"input_shape": [12, 12, 1], "layers": list(layers)} | values)


def test_a_chain_is_written_as_ever(cnn_spec: NetworkSpec) -> None:
    plain = cnn_spec.to_dict()
    assert set(plain) == {"input_shape", "initializer", "layers"}
    assert not any("inputs" in layer for layer in plain["layers"])
    assert cnn_spec.is_chain
    named = [
        layer | {"inputs": [before]}
        for layer, before in zip(plain["layers"], ("input", *cnn_spec.names), strict=False)
    ]
    assert NetworkSpec.from_dict(plain | {"layers": named}).is_chain


def test_a_residual_block() -> None:
    spec = build(*RESIDUAL, FLATTEN, OUT)
    assert not spec.is_chain
    assert spec["Add_1"].inputs == ("Conv2D_1", "Conv2D_2")
    assert spec["Add_1"].output_shape == (12, 12, 4)
    assert (spec["Add_1"].receptive_field, spec["Add_1"].start) == (
        (5, 5),
        (-2, -2),
    )  # the wider branch's
    assert [step.last_use_of for step in spec.plan("Add_1")] == [
        ("input",),
        (),
        ("Conv2D_1", "Conv2D_2"),
    ]
    network, x = Network(spec).eval(), torch.rand(2, 1, 12, 12)
    values = network.layer_values(x, "Conv2D_1", "Conv2D_2", "Add_1", "Out")
    assert torch.equal(values["Add_1"], values["Conv2D_1"] + values["Conv2D_2"])
    assert torch.equal(values["Out"], network(x))


def test_one_name_stands_for_a_list() -> None:
    assert build(*RESIDUAL, FLATTEN | {"inputs": "Add_1"}, OUT)["Flatten"].inputs == ("Add_1",)


def _transposed(**values: object) -> list[dict]:
    plain = {"type": "transposed_conv", "name": "T", "filters": 2, "padding": "same"}
    return [plain | values]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            [{**RESIDUAL[0], "inputs": ["Conv2D_2"]}, *RESIDUAL[1:], FLATTEN, OUT],
            ["'Conv2D_1'", "'Conv2D_2'", "cycle"],
        ),
        ([{**RESIDUAL[0], "inputs": ["Conv2D_1"]}, FLATTEN, OUT], ["'Conv2D_1'", "read itself"]),
        (
            [*RESIDUAL[:2], {**RESIDUAL[2], "inputs": ["Conv2D_1", "Conv2d_2"]}, FLATTEN, OUT],
            ["'Add_1'", "'Conv2d_2'", "did you mean 'Conv2D_2'"],
        ),
        (
            [*RESIDUAL[:2], {"type": "add", "name": "Add_1"}, FLATTEN, OUT],
            ["'Add_1'", "at least 2", "names none"],
        ),
        (
            [*RESIDUAL, FLATTEN | {"inputs": ["Add_1", "Conv2D_1"]}, OUT],
            ["'Flatten'", "takes 1", "'Add_1', 'Conv2D_1'"],
        ),
        (
            [*RESIDUAL, {"type": "subtract", "name": "S", "inputs": ["Add_1"] * 3}, FLATTEN, OUT],
            ["'S'", "takes"],
        ),
        (
            [RESIDUAL[0], RESIDUAL[1] | {"filters": 3}, RESIDUAL[2], FLATTEN, OUT],
            ["'Add_1'", "(12, 12, 4) and (12, 12, 3)", "do not merge"],
        ),
        (
            [
                RESIDUAL[0],
                RESIDUAL[1] | {"stride": 2},
                RESIDUAL[2] | {"type": "concatenate"},
                FLATTEN,
                OUT,
            ],
            ["'Add_1'", "(12, 12, 4) and (6, 6, 4)", "axis -1"],
        ),
        (
            [*RESIDUAL, {"type": "flatten", "name": "Flatten", "inputs": ["Conv2D_1"]}, OUT],
            ["'Conv2D_2'", "no output"],
        ),
        (
            [RESIDUAL[0], {"type": "shared", "name": "Again", "shares": "Conv2D_1"}, FLATTEN, OUT],
            ["'Again'", "(3, 3, 4, 4)", "(3, 3, 1, 4)"],
        ),
        (
            [{"type": "shared", "name": "Again", "shares": "Conv"}, FLATTEN, OUT],
            ["'Again'", "'Conv'", "no layer before"],
        ),
        (
            [
                FLATTEN,
                OUT,
                {"type": "activation", "name": "More", "activation": "relu"},
                {**OUT, "name": "Last"},
            ],
            [],
        ),
        ([RESIDUAL[0] | {"groups": 3}, FLATTEN, OUT], ["'Conv2D_1'", "groups = 3", "filters = 4"]),
        (
            [RESIDUAL[0] | {"stride": 2, "dilation": 2}, FLATTEN, OUT],
            ["'Conv2D_1'", "dilation", "stride"],
        ),
        (
            [RESIDUAL[0], *_transposed(stride=2, dilation=2), FLATTEN, OUT],
            ["'T'", "dilation = (2, 2)", "with stride"],
        ),
        (
            [RESIDUAL[0], *_transposed(stride=2, output_padding=[1, 2]), FLATTEN, OUT],
            ["'T'", "output_padding = (1, 2)", "rows 0 to 1, columns 0 to 1"],
        ),
        (
            [RESIDUAL[0], *_transposed(stride=2, kernel=2, output_padding=0), FLATTEN, OUT],
            ["'T'", "output_padding = (0, 0)", "rows 1 to 1, columns 1 to 1"],
        ),
        (
            [RESIDUAL[0], {"type": "group_norm", "name": "G", "groups": 3}, FLATTEN, OUT],
            ["'G'", "groups = 3", "4 ch"],
        ),
        (
            [{"type": "rescaling", "name": "R", "factor": [1, 2]}, FLATTEN, OUT],
            ["'R'", "factor = [1, 2]"],
        ),
        ([{"type": "permute", "name": "P", "dims": [1, 2, 2]}, FLATTEN, OUT], ["'P'", "dims"]),
        (
            [{"type": "cropping", "name": "C", "cropping": 6}, FLATTEN, OUT],
            ["'C'", "nothing is left", "12 x 12"],
        ),
        ([{"type": "normalization", "name": "N", "mean": 1}, FLATTEN, OUT], ["'N'", "variance"]),
        (
            [{"type": "random_zoom", "name": "Z", "height_factor": 2}, FLATTEN, OUT],
            ["'Z'", "height_factor = 2"],
        ),
    ],
)
def test_what_cannot_be_joined(layers: list, words: list[str]) -> None:
    if not words:  # softmax within is a layer like any other
        assert build(*layers)["Out"].activation == "softmax"
        return
    with pytest.raises(SpecError) as caught:
        build(*layers)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_several_outputs() -> None:
    """All are kept, the first is the answer; another is chosen by name."""
    head = {
        "type": "dense",
        "name": "Side",
        "units": 3,
        "activation": "sigmoid",
        "inputs": ["Flatten"],
    }
    spec = build(*RESIDUAL, FLATTEN, OUT, head, outputs=["Out", "Side"])
    assert (spec.output, spec.classes, spec.output_activation) == ("Out", 10, "softmax")
    network, x = Network(spec).eval(), torch.rand(2, 1, 12, 12)
    assert network(x).shape == (2, 10)
    values = network.layer_values(x, *spec.kept)
    assert (
        torch.equal(values["Out"], network(x))
        and 0 < values["Side"].min() < values["Side"].max() < 1
    )
    other = spec.with_output("Side")
    assert (other.kept, other.classes, other.output_activation) == (("Side", "Out"), 3, "sigmoid")
    with pytest.raises(SpecError, match="no output 'Sid'.*did you mean 'Side'"):
        spec.with_output("Sid")
    with pytest.raises(SpecError, match="no layer 'Nowhere' to be an output"):
        build(*RESIDUAL, FLATTEN, OUT, outputs=["Nowhere"])
    assert NetworkSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("end", "found"),
    [
        ([{"type": "global_pool", "name": "G"}], "softmax"),
        (
            [{"type": "global_pool", "name": "G", "kind": "max"}],
            None,
        ),  # largest values are no distribution
        (
            [
                {"type": "global_pool", "name": "G", "keepdims": True},
                {"type": "flatten", "name": "F"},
            ],
            "softmax",
        ),
        ([{"type": "flatten", "name": "F"}], None),  # positions and channels in one
        (
            [
                {"type": "global_pool", "name": "G"},
                {"type": "activation", "name": "A", "activation": "linear"},
                {"type": "dropout", "name": "D", "rate": 0.1},
            ],
            "softmax",
        ),
        (
            [
                {"type": "global_pool", "name": "G"},
                {"type": "activation", "name": "A", "activation": "relu"},
            ],
            None,
        ),
        ([{"type": "global_pool", "name": "G"}, OUT], None),
    ],
)
def test_probabilities_from_within(end: list[dict], found: str | None) -> None:
    """Where an earlier softmax reaches the answer unchanged, class probabilities are its values."""
    spec = build(RESIDUAL[0] | {"activation": "softmax"}, *end)
    assert spec.inner_probabilities == found
    network, x = Network(spec, 2).eval(), torch.rand(3, 1, 12, 12)
    values = network.layer_values(x, spec.output)[spec.output]
    if found:
        assert torch.allclose(network.probabilities(network(x)), values, atol=1e-6)
    else:
        assert torch.equal(network(x), values)


def test_a_shared_layer_has_one_set_of_weights() -> None:
    twice = [
        {"type": "conv", "name": "A", "filters": 1, "padding": "same"},
        {"type": "shared", "name": "B", "shares": "A"},
        FLATTEN,
        OUT,
    ]
    spec = build(*twice)
    network, x = Network(spec, 3), torch.rand(2, 1, 12, 12)
    assert spec["B"].parameters == 0 and spec.parameters == 10 + 1450
    assert [key for key in network.state_dict() if key[0] in "AB"] == [
        "A.conv.weight",
        "A.conv.bias",
    ]
    assert torch.equal(network.layer_values(x, "B")["B"], network.A(network.A(x)))
    network(x).sum().backward()
    both = network.A.conv.weight.grad.clone()
    network.zero_grad()
    network.Out(network.Flatten(network.A(network.A(x)))).sum().backward()
    assert torch.equal(both, network.A.conv.weight.grad)


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


@pytest.mark.parametrize(
    "layers",
    [
        [
            {"type": "upsampling", "name": "L", "size": [2, 3]},
            {"type": "conv", "name": "M", "filters": 1, "kernel": 2},
        ],
        [{"type": "upsampling", "name": "L", "interpolation": "bilinear"}],
        [{"type": "upsampling", "name": "L", "size": 3, "interpolation": "bilinear"}],
        [
            {
                "type": "transposed_conv",
                "name": "L",
                "filters": 1,
                "kernel": 3,
                "stride": 2,
                "padding": "same",
            }
        ],
        [
            {
                "type": "transposed_conv",
                "name": "L",
                "filters": 1,
                "kernel": [3, 4],
                "stride": [3, 2],
            }
        ],
        [
            {
                "type": "transposed_conv",
                "name": "L",
                "filters": 1,
                "kernel": [3, 2],
                "stride": 2,
                "padding": "same",
                "output_padding": [0, 1],
            }
        ],
        [
            {
                "type": "transposed_conv",
                "name": "L",
                "filters": 1,
                "kernel": [2, 3],
                "dilation": [2, 1],
                "padding": "same",
            }
        ],
        [{"type": "cropping", "name": "L", "cropping": [[2, 1], [3, 0]]}],
        [
            {
                "type": "conv",
                "name": "L",
                "filters": 1,
                "kernel": [2, 3],
                "dilation": [2, 1],
                "padding": "same",
            }
        ],
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
