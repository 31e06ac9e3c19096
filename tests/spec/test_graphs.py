"""Networks that branch: how layers name their inputs, several outputs, shared layers."""

from __future__ import annotations

import pytest
import torch

from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec, SpecError

from .blocks import FLATTEN, OUT, RESIDUAL, build


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
