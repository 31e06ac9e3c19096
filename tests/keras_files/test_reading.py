"""The vocabulary: what a configuration may say, what it becomes, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lit_mnist.keras_files import KerasFileError, read_keras, read_weights
from lit_mnist.keras_files.names import group_names, layer_names, snake_case
from lit_mnist.keras_files.vocabulary import RANDOM, SUPPORTED
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec, SpecError, is_layer_name
from tests.keras_files.files import SPEC, configured, fresh, layer

INPUT = {"batch_shape": [None, 8, 8, 1]}
CONV = {"filters": 2, "kernel_size": [3, 3], "strides": [1, 1], "padding": "valid"}


def one(path: Path, entry: dict[str, Any], *after: dict[str, Any]) -> None:
    """Read a file whose configuration has `entry` after a convolution, and SPEC's weights."""
    read_keras(
        configured(
            path / "model.keras",
            [layer("InputLayer", "input", **INPUT), layer("Conv2D", "c", **CONV), entry, *after],
        )
    )


REFUSED = {
    "a low-rank addition": (layer("Conv2D", "k", **CONV, lora_rank=4), "lora_rank = 4"),
    "an activation we do not have": (
        layer("Conv2D", "k", **CONV, activation="glu"),
        "activation = glu",
    ),
    "an activation of one's own": (
        layer(
            "Activation",
            "k",
            activation={"class_name": "function", "config": "mine", "registered_name": "mine"},
        ),
        "activation = mine",
    ),
    "a shifted ReLU as an activation": (
        layer(
            "Conv2D", "k", **CONV, activation={"class_name": "ReLU", "config": {"threshold": 1.0}}
        ),
        "a ReLU layer of its own",
    ),
    "a negative cap": (layer("ReLU", "k", max_value=-6.0), "maximum = -6.0"),
    "softmax over maps": (layer("Softmax", "k", axis=1), "axis = 1"),
    "normalisation over rows": (layer("BatchNormalization", "k", axis=[1]), r"axis = \(1,\)"),
    "statistics of rows": (layer("Normalization", "k", axis=[1]), r"axis = \(1,\)"),
    "layer normalisation over rows": (layer("LayerNormalization", "k", axis=[1]), "axis = "),
    "renormalisation": (layer("BatchNormalization", "k", renorm=True), "renorm = True"),
    "half precision": (
        layer(
            "Conv2D",
            "k",
            **CONV,
            dtype={"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
        ),
        "dtype = mixed_float16",
    ),
    "another regulariser": (
        layer(
            "Conv2D",
            "k",
            **CONV,
            kernel_regularizer={"class_name": "OrthogonalRegularizer", "config": {}},
        ),
        "kernel_regularizer",
    ),
    "two penalties in one layer": (
        layer(
            "SeparableConv2D",
            "k",
            **CONV,
            depthwise_regularizer={"class_name": "L2", "config": {"l2": 0.5}},
        ),
        "depthwise_regularizer",
    ),
    "padding of a transposed convolution": (
        layer("Conv2DTranspose", "k", **CONV, output_padding=1),
        "output_padding = 1",
    ),
    "enlarging by cubic curves": (
        layer("UpSampling2D", "k", size=2, interpolation="bicubic"),
        "interpolation = bicubic",
    ),
    "a reshape to rows": (layer("Reshape", "k", target_shape=[6, 12]), r"target_shape = \(6, 12\)"),
    "a reshape that does not fit": (layer("Reshape", "k", target_shape=[7, 7, 1]), "the 72 values"),
    "a dense layer on maps": (layer("Dense", "k", units=3), "a vector"),
    "a layer that always trains": (
        layer("Dropout", "k", rate=0.5) | {"inbound_nodes": [[["c", 0, 0, {"training": True}]]]},
        "training=True",
    ),
    **{
        kind: (layer(kind, "k"), f"layer 'k' of type {kind} is not supported")
        for kind in (
            "Lambda",
            "Dot",
            "LSTM",
            "TimeDistributed",
            "Sequential",
            "Functional",
            "Resizing",
            "SlicingOpLambda",
            "MultiHeadAttention",
        )
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(tmp_path: Path, case: str) -> None:
    entry, reason = REFUSED[case]
    with pytest.raises(KerasFileError, match=reason) as caught:
        one(tmp_path, entry, layer("Flatten", "f"), layer("Dense", "d", units=4))
    assert "'k'" in str(caught.value) and "model.keras" in str(caught.value)


@pytest.mark.parametrize(("name", "what"), [("nowhere.h5", "no such file"), (".", "a folder")])
def test_what_is_no_file_is_not_called_damaged(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(KerasFileError, match=f"{what}; accepted: a Keras file"):
        read_keras(tmp_path / name)


def test_what_is_not_supported_is_said_before_anything_else(tmp_path: Path) -> None:
    """Three other faults stand before the Lambda layer: the Lambda is named."""
    path = configured(
        tmp_path / "model.keras",
        [
            layer("Conv2D", "c", filters="many"),
            layer("ReLU", "r", max_value=-6),
            layer("Lambda", "evil"),
        ],
    )
    with pytest.raises(
        KerasFileError, match="model.keras: layer 'evil' of type Lambda is not supported"
    ):
        read_keras(path)


def functional(
    *entries: tuple[str, str, list[str]],
    inputs: tuple[str, ...] = ("i",),
    outputs: tuple[str, ...] = ("d",),
    calls_without: str = "",
) -> dict[str, Any]:
    """Layers and ends of a functional model, in Keras 2's form: (class, name, names of what goes in)."""
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


def test_names() -> None:
    names = [
        "Conv2D_1",
        "conv2d-1",
        "conv2d_1",
        "block/conv",
        "block conv",
        "1st",
        "train",
        "",
        "état",
    ]
    assert layer_names(names) == {
        "Conv2D_1": "Conv2D_1",
        "conv2d-1": "conv2d_1_2",
        "conv2d_1": "conv2d_1",
        "block/conv": "block_conv",
        "block conv": "block_conv_2",
        "1st": "layer_1st",
        "train": "layer_train",
        "": "layer_",
        "état": "layer__tat",
    }
    assert all(is_layer_name(name) for name in layer_names(names).values())


def test_no_layer_may_take_a_name_that_networks_have_already() -> None:
    taken = [
        name for name in dir(Network(SPEC)) if not name.startswith("_") and name not in SPEC.names
    ]
    assert len(taken) > 50
    assert [name for name in taken if is_layer_name(name)] == []
    with pytest.raises(SpecError, match="layer name 'float' cannot work"):
        NetworkSpec.from_dict({"layers": [{"type": "flatten", "name": "float"}]})


def test_group_names() -> None:
    """Keras 3's own examples, and TensorFlow 2.12's count in twos."""
    kinds = ("Conv2D", "LeakyReLU", "ELU", "GlobalAveragePooling2D", "BatchNormalization")
    assert list(map(snake_case, kinds)) == [
        "conv2d",
        "leaky_re_lu",
        "elu",
        "global_average_pooling2d",
        "batch_normalization",
    ]
    assert group_names(["Conv2D", "Dense", "Conv2D"]) == ["conv2d", "dense", "conv2d_1"]
    present = ["conv2d_10", "conv2d", "conv2d_2", "dense", "conv2d_transpose"]
    assert group_names(["Conv2D", "Conv2D", "Conv2D"], present) == [
        "conv2d",
        "conv2d_2",
        "conv2d_10",
    ]


@pytest.mark.parametrize("kind", [str, bytes])
def test_attributes_in_pieces_and_in_bytes(tmp_path: Path, kind: type) -> None:
    """Keras cuts lists of names that pass HDF5's 64 kB into name0, name1, ...; h5py 2 wrote bytes."""
    path, weights = fresh(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        for group, key in (
            (file["model_weights"], "layer_names"),
            (file["model_weights/Conv2D_1"], "weight_names"),
        ):
            names = [
                name.decode() if isinstance(name, bytes) else name for name in group.attrs[key]
            ]
            del group.attrs[key]
            for number, name in enumerate(names):
                group.attrs[f"{key}{number}"] = np.array([name], "S") if kind is bytes else [name]
        config = file.attrs["model_config"]
        file.attrs["model_config"] = np.bytes_(config.encode()) if kind is bytes else config
    assert all(np.array_equal(read_keras(path).weights[name], weights[name]) for name in weights)


def test_a_long_list_of_names_is_written_in_pieces(tmp_path: Path) -> None:
    layers = [
        {"type": "rescaling", "name": f"R{number}_{'x' * 250}", "factor": 1.0}
        for number in range(300)
    ]
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [2, 2, 1],
            "layers": [
                *layers,
                {"type": "flatten", "name": "f"},
                {"type": "dense", "name": "d", "units": 2},
            ],
        }
    )
    path, _ = fresh(tmp_path / "model.h5", spec)
    with h5py.File(path) as file:
        assert (
            "layer_names1" in file["model_weights"].attrs
            and "layer_names" not in file["model_weights"].attrs
        )
    with pytest.raises(KerasFileError, match="the name 'R0_"):  # longer than any real name
        read_keras(path)
    read_weights(path, spec)


def test_big_endian_and_float64_weights(tmp_path: Path) -> None:
    path, weights = fresh(tmp_path / "model.h5")
    name = "model_weights/Conv2D_1/sequential/Conv2D_1/kernel"
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = weights["Conv2D_1/kernel"].astype(">f8")
    found = read_keras(path).weights["Conv2D_1/kernel"]
    assert found.dtype == np.dtype("=f8") and np.array_equal(found, weights["Conv2D_1/kernel"])


def test_weights_for_another_network_are_refused_by_name(
    tmp_path: Path, cnn_spec: NetworkSpec
) -> None:
    for name in ("model.h5", "model.keras"):
        path, _ = fresh(tmp_path / name)
        with pytest.raises(KerasFileError, match=f"{name}: .*no weights of layer 'Conv2D_3'"):
            read_weights(path, cnn_spec)


def test_training_settings_that_a_network_cannot_hold_are_said(tmp_path: Path) -> None:
    regularizer = {"class_name": "L2", "config": {"l2": 0.5}}
    file = read_keras(
        configured(
            tmp_path / "model.keras",
            [
                layer(
                    "Conv2D",
                    "a",
                    **INPUT,
                    **CONV,
                    kernel_regularizer=regularizer,
                    bias_regularizer=regularizer,
                ),
                layer("Conv2D", "b", **(CONV | {"filters": 3})),
                layer("Flatten", "f"),
                layer("Dense", "d", units=4),
            ],
        )
    )
    assert file.spec.layers[0].l2 == 0.5
    assert [note for note in file.notes if "bias_regularizer is left out" in note]


@pytest.fixture(scope="module")
def keras() -> Any:
    """Keras itself."""
    if find_spec("tensorflow") is None:  # not imported here: load_keras minds the order
        pytest.skip("needs the extra `keras`")
    from keras_baseline.backend import load_keras

    return load_keras()


def chains(keras: Any) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Models that Keras builds, and the image shape that each should get here."""
    L = keras.layers
    leaky = L.LeakyReLU(negative_slope=0.125)
    return {
        "no channel axis": ([L.Input((8, 8)), L.Flatten(), L.Dense(3, "softmax")], (8, 8, 1)),
        "no channel axis, reshaped": (
            [
                L.Input((8, 6)),
                L.Rescaling(0.5),
                L.Reshape((8, 6, 1)),
                L.Conv2D(2, 3, name="a-b"),
                L.GlobalMaxPooling2D(),
                L.Dense(3),
            ],
            (8, 6, 1),
        ),
        "flat": ([L.Input((64,)), L.Dense(5, "leaky_relu"), L.Dense(3, "softmax")], (8, 8, 1)),
        "flat, in colour": (
            [L.Input((48,)), L.BatchNormalization(), L.Dense(3, "softmax")],
            (4, 4, 3),
        ),
        "flat, reshaped": (
            [
                L.Input((48,)),
                L.Rescaling(2.0, 0.5),
                L.Reshape((6, 8, 1)),
                L.Conv2D(2, 3, activation=leaky),
                L.Flatten(),
                L.Dense(3),
                L.Softmax(),
            ],
            (6, 8, 1),
        ),
        "reshape to a vector": (
            [
                L.Input((6, 6, 3)),
                L.AveragePooling2D(3, 2, "same"),
                L.Reshape((-1,)),
                L.BatchNormalization(),
                L.Dropout(0.5),
                L.Dense(3, "sigmoid"),
            ],
            (6, 6, 3),
        ),
        "image again": (
            [
                L.Input((6, 6, 3)),
                L.Flatten(),
                L.ReLU(),
                L.Reshape((4, 9, 3)),
                L.Conv2D(2, 2),
                L.Reshape((8, -1, 2)),
                L.ZeroPadding2D(1),
                L.GlobalAveragePooling2D(),
                L.Dense(3, "tanh"),
                L.Dense(2),
            ],
            (6, 6, 3),
        ),
        "activations": (
            [
                L.Input((6, 6, 1)),
                L.Conv2D(2, 3),
                L.ReLU(negative_slope=0.1),
                L.LeakyReLU(),
                L.ELU(0.5),
                L.ELU(),
                L.SpatialDropout2D(0.2),
                L.Flatten(),
                L.Dense(3),
                L.Activation("softmax"),
            ],
            (6, 6, 1),
        ),
        "float64": (
            [
                L.Input((6, 6, 1), dtype="float64"),
                L.Conv2D(2, 3, dtype="float64"),
                L.Flatten(dtype="float64"),
                L.Dense(3, "softmax", dtype="float64"),
            ],
            (6, 6, 1),
        ),
    }


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_chains_that_keras_builds_predict_the_same(tmp_path: Path, keras: Any, ending: str) -> None:
    from lit_mnist.comparison.parity.converted import layer_errors

    for case, (layers, shape) in chains(keras).items():
        model = keras.Sequential(layers)
        random = np.random.default_rng(1)
        model.set_weights(
            [random.uniform(0.1, 0.6, weight.shape) for weight in model.get_weights()]
        )
        path = tmp_path / f"model{ending}"
        model.save(path)
        file = read_keras(path)
        assert file.spec.input_shape == shape, case
        network = Network(file.spec).eval()
        network.load_weights(
            {name: array.astype(np.float32) for name, array in file.weights.items()}
        )
        images = random.uniform(0, 1, (4, *shape)).astype(np.float32)
        result = layer_errors(network, file, path, path, images)
        assert (
            result.independent and not result.refusals and len(result.errors) == len(model.layers)
        ), case
        assert not result.differing, case


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_models_that_keras_builds_and_we_refuse(tmp_path: Path, keras: Any) -> None:
    L = keras.layers
    image = L.Input((6, 6, 1))
    x = L.Conv2D(2, 3, name="c")(image)
    refused: dict[str, Callable[[], Any]] = {
        "layer 'code' of type Lambda": lambda: L.Dense(3)(
            L.Flatten()(L.Lambda(lambda t: t * 2, name="code")(x))
        ),
        "on 2 tensors and the constants": lambda: L.Dense(3)(L.Flatten()(x / x)),
        "layer 'rows' of type TimeDistributed": lambda: L.Dense(3)(
            L.Flatten()(L.TimeDistributed(L.Dense(2), name="rows")(x))
        ),
        "'always' of type Dropout is called with training=True": lambda: L.Dense(3)(
            L.Flatten()(L.Dropout(0.5, name="always")(x, training=True))
        ),
    }
    for reason, build in refused.items():
        for ending in (".keras", ".h5"):
            keras.Model(image, build()).save(tmp_path / f"model{ending}")
            with pytest.raises(KerasFileError, match=reason):
                read_keras(tmp_path / f"model{ending}")


def test_the_documentation_lists_what_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "keras_files.md").read_text()
    operations = {
        "Relu",
        "Relu6",
        "Sigmoid",
        "Tanh",
        "Silu",
        "Selu",
        "Softplus",
        "Softsign",
        "HardSigmoid",
        "HardSilu",
        "Mish",
        "Exp",
        "Gelu",
        "Elu",
        "LeakyRelu",
        "TrueDivide",
        "Divide",
    }  # functions, not layers
    passed_on = {kind for kind in RANDOM if f"{kind}," not in page and f"{kind};" not in page}
    assert [
        kind for kind in SUPPORTED if kind not in operations | passed_on and kind not in page
    ] == []
    assert len(passed_on) == 18  # "other random layers of Keras"


@pytest.mark.parametrize(
    "entry",
    [
        layer("RandomBrightness", "k", factor=0.2),
        layer("RandAugment", "k"),
        layer("RandomZoom", "k", height_factor=-3.0),  # beyond what is known here
        layer("Dropout", "k", rate=0.2, noise_shape=[None, 1, 1, 1]),
    ],
)
def test_layers_that_act_in_training_alone_pass_with_a_note(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    """The last one is how EfficientNet drops whole branches."""
    file = read_keras(
        configured(
            tmp_path / "model.keras",
            [
                layer("Conv2D", "a", **INPUT, **CONV),
                entry,
                layer("Conv2D", "b", **(CONV | {"filters": 3})),
                layer("Flatten", "f"),
                layer("Dense", "d", units=4),
            ],
        )
    )
    assert file.spec["k"].type == "activation" and file.spec["k"].activation == "linear"
    assert any(
        "layer 'k' of type" in note and "acts in training alone" in note for note in file.notes
    )


@pytest.mark.parametrize(
    ("shape", "size"),
    [((None, None, None, 1), 28), ((None, None, None, 3), 224), ((None, 64, None, 3), 64)],
)
def test_an_input_of_open_size_gets_one(
    tmp_path: Path, shape: tuple[int | None, ...], size: int
) -> None:
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [8, 8, shape[3]],
            "layers": [
                {"type": "conv", "name": "c", "filters": 2},
                {"type": "global_pool", "name": "g"},
                {"type": "dense", "name": "d", "units": 3},
            ],
        }
    )
    path, _ = fresh(tmp_path / "model.h5", spec)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][0]["config"]["batch_shape"] = list(shape)
        file.attrs["model_config"] = json.dumps(config)
    file = read_keras(path)
    assert (
        file.spec.input_shape == (size, size, shape[3]) and "is taken as an image" in file.notes[0]
    )
