"""NetworkSpec: shapes, counts and receptive fields by arithmetic, and its errors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings

from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import NetworkSpec, SpecError
from lit_mnist.spec.building import built_on
from lit_mnist.spec.weights import from_torch, initial_weights, to_torch, weight_shapes
from tests.conftest import CONFIGS
from tests.networks import specs

# the sources' parameter counts; mlp: 784 x 70 + 70 x 30 + 30 x 10 weights and 110 biases
PARAMETERS = {
    "cnn": 208_982,
    "cnn_source": 208_982,
    "cnn_best": 208_982,
    "cnn_bf16": 208_982,
    "cnn_fast": 208_982,
    "cnn_basic": 96_844,
    "cnn_wide": 250_994,
    "cnn_addendum": 232_242,
    "shallow": 271_670,
    "dropout": 260_476,
    "deconstruct": 113_514,
    "single_conv": 2_772_362,
    "fashion_dense": 101_770,
    "fashion_cnn": 243_786,
    "mlp": 57_390,
    "cats_dogs": 4_894_913,
    "cats_dogs_augmented": 4_894_913,
}
FLATTEN = {"type": "flatten", "name": "Flatten"}
OUT = {"type": "dense", "name": "Out", "units": 10, "activation": "softmax"}


def conv(name: str = "Conv", **values: object) -> dict:
    return {"type": "conv", "name": name, "filters": 4} | values


def build(*layers: dict, **values: object) -> NetworkSpec:
    return NetworkSpec.from_dict({"layers": list(layers)} | values)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_parameters_of_every_configuration(config) -> None:
    spec = spec_of_config(config)
    assert spec.parameters == PARAMETERS[config.stem]
    assert sum(p.numel() for p in Network(spec).parameters()) == PARAMETERS[config.stem]


def test_every_configuration_is_listed() -> None:
    assert {config.stem for config in CONFIGS} == set(PARAMETERS)


def test_default_network(cnn_spec: NetworkSpec) -> None:
    assert cnn_spec.names == (
        "Conv2D_1",
        "Max_Pool_1",
        "Conv2D_2",
        "Max_Pool_2",
        "Conv2D_3",
        "Flatten",
        "Dense_1",
        "Dense_2",
    )
    assert [info.output_shape for info in cnn_spec.table] == [
        (26, 26, 32),
        (13, 13, 32),
        (11, 11, 64),
        (5, 5, 64),
        (3, 3, 128),
        (1152,),
        (100,),
        (10,),
    ]
    # each factor by hand: maps x 3 x 3 x inputs x places, then the two dense layers
    assert (
        cnn_spec.macs == 32 * 9 * 676 + 64 * 9 * 32 * 121 + 128 * 9 * 64 * 9 + 1152 * 100 + 100 * 10
    )


def test_receptive_field_is_what_a_unit_sees(cnn_spec: NetworkSpec) -> None:
    """The gradient of one unit is non-zero on exactly its receptive field."""
    network = Network(cnn_spec, seed=3).double()
    for name, row, column in (
        ("Conv2D_1", 4, 7),
        ("Max_Pool_1", 5, 2),
        ("Conv2D_2", 3, 6),
        ("Conv2D_3", 1, 2),
    ):
        image = torch.rand(64, 1, 28, 28, dtype=torch.float64, requires_grad=True)
        x = image
        for layer in cnn_spec.names[: cnn_spec.names.index(name) + 1]:
            x = getattr(network, layer)(x)
        x[:, :, row, column].sum().backward()
        rows, columns = image.grad.abs().sum((0, 1)).nonzero().T
        info = cnn_spec[name]
        for result, place, axis in ((rows, row, 0), (columns, column, 1)):
            first = info.start[axis] + place * info.jump[axis]
            assert (result.min(), result.max() + 1) == (
                first,
                first + info.receptive_field[axis],
            ), (
                name,
                axis,
            )


@settings(max_examples=60, deadline=None)
@given(specs())
def test_random_specs_agree_with_torch(spec: NetworkSpec) -> None:
    network = Network(spec, seed=1).eval()
    x = torch.rand(2, spec.input_shape[2], *spec.input_shape[:2])
    for info in spec.table:
        x = getattr(network, info.name)(x)
        result = (*x.shape[2:], x.shape[1]) if x.dim() == 4 else tuple(x.shape[1:])
        assert result == info.output_shape, info
        assert (
            sum(t.numel() for t in getattr(network, info.name).state_dict().values())
            == info.parameters
        )
    assert spec.trainable_parameters == sum(p.numel() for p in network.parameters())


@settings(max_examples=40, deadline=None)
@given(specs())
def test_plain_values_and_weights_round_trip(spec: NetworkSpec) -> None:
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    weights = initial_weights(spec, seed=5)
    assert {name: array.shape for name, array in weights.items()} == weight_shapes(spec)
    back = from_torch(spec, to_torch(spec, weights))
    assert all((weights[name] == back[name]).all() for name in weights)


def test_initial_weights_are_glorot_uniform_and_keep_their_seed(cnn_spec: NetworkSpec) -> None:
    kernel = initial_weights(cnn_spec, 1)["Conv2D_2/kernel"]
    limit = (6 / (9 * 32 + 9 * 64)) ** 0.5
    assert abs(kernel).max() <= limit and abs(kernel).max() > 0.99 * limit
    assert (
        abs(kernel.std() / (limit / 3**0.5) - 1) < 0.02
    )  # n = 18,432: one standard error is 0.4 %
    assert (kernel == initial_weights(cnn_spec, 1)["Conv2D_2/kernel"]).all()
    assert (kernel != initial_weights(cnn_spec, 2)["Conv2D_2/kernel"]).any()


_SCALED = {
    "initializer": "inverse_sqrt_uniform",
    "layers": [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Out", "units": 40},
    ],
}


def test_the_default_scale_of_initial_weights_is_no_other_network() -> None:
    spec = replace(NetworkSpec.from_dict(_SCALED), initializer_scale=2.0)
    assert spec == NetworkSpec.from_dict(_SCALED) == NetworkSpec.from_dict(spec.to_dict())


@pytest.mark.parametrize(("keys", "scale"), [({}, 2), ({"initializer_scale": 0.5}, 0.5)])
def test_inverse_sqrt_uniform_has_a_scale(keys: dict, scale: float) -> None:
    spec = NetworkSpec.from_dict(_SCALED | keys)
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    assert ("initializer_scale" in spec.to_dict()) == bool(keys)
    kernel, bias = (initial_weights(spec, 1)[f"Out/{name}"] for name in ("kernel", "bias"))
    for values, reached in ((kernel, 0.999), (bias, 0.9)):
        assert reached * scale / 28 < abs(values).max() <= scale / 28


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"initializer": "glorot_uniform"},
            "= 0.5 has no meaning for glorot_uniform; accepted with",
        ),
        ({"initializer_scale": 0}, "initializer_scale = 0 cannot work; accepted: a number above 0"),
        ({"initializer_scale": True}, "initializer_scale = True cannot work"),
        ({"initializer_scale": "much"}, "initializer_scale = 'much' cannot work"),
        ({"initializer_scale": float("nan")}, "initializer_scale = nan cannot work"),
    ],
)
def test_scales_that_cannot_work(keys: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NetworkSpec.from_dict(_SCALED | {"initializer_scale": 0.5} | keys)


def test_a_network_built_on_another_keeps_the_initializer() -> None:
    base = NetworkSpec.from_dict(_SCALED | {"initializer_scale": 0.5})
    assert built_on(base, {"from": "x"}) == base
    assert built_on(base, {"from": "x", "initializer_scale": 1.0}).initializer_scale == 1.0
    assert built_on(base, {"from": "x", "initializer": "glorot_uniform"}).initializer_scale is None
    with pytest.raises(SpecError, match="initializer_scale = 0 cannot work"):
        built_on(base, {"from": "x", "initializer_scale": 0})


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([conv(kernel=30), FLATTEN, OUT], ["'Conv'", "(30, 30)", "28 x 28"]),
        ([conv("A"), conv("A"), FLATTEN, OUT], ["'A'", "twice"]),
        (
            [conv(activation="rellu"), FLATTEN, OUT],
            ["'Conv'", "'rellu'", "did you mean 'relu'", "tanh"],
        ),
        ([conv(), OUT], ["'Out'", "(26, 26, 4)", "flatten"]),
        ([FLATTEN, conv(), OUT], ["'Conv'", "(784,)", "image"]),
        ([conv(filters=0), FLATTEN, OUT], ["'Conv'", "filters = 0", "above 0"]),
        ([conv(filters=True), FLATTEN, OUT], ["'Conv'", "filters = True"]),
        ([conv(paddin="same"), FLATTEN, OUT], ["'Conv'", "'paddin'", "did you mean 'padding'"]),
        ([conv(padding="full"), FLATTEN, OUT], ["'Conv'", "'full'", "valid, same"]),
        (
            [{"type": "convolution", "name": "Conv"}, OUT],
            ["'Conv'", "'convolution'", "did you mean 'conv'"],
        ),
        (
            [{"type": "dropout", "name": "Drop", "rate": 1.0}, FLATTEN, OUT],
            ["'Drop'", "1.0", "rate < 1"],
        ),
        ([conv("Conv-1"), FLATTEN, OUT], ["'Conv-1'", "letters"]),
        ([FLATTEN, {**OUT, "l2": -1}], ["'Out'", "l2 = -1", "0 or above"]),
        ([FLATTEN, {**OUT, "l2": float("nan")}], ["'Out'", "l2 = nan"]),
        ([conv()], ["'Conv'", "vector"]),
        ([{"type": "dense", "name": "Out"}], ["'Out'", "'units'", "missing"]),
        ([], ["at least one layer"]),
        (["conv"], ["'conv'", "mapping"]),
    ],
)
def test_descriptions_that_cannot_work(layers: list, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        build(*layers)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_unknown_layer_names_the_nearest(cnn_spec: NetworkSpec) -> None:
    with pytest.raises(SpecError, match="'Conv2d_1'.*did you mean 'Conv2D_1'"):
        _ = cnn_spec["Conv2d_1"]
