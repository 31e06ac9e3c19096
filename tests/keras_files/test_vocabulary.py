"""The vocabulary: what a configuration may say, what it becomes, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lit_mnist.keras_files import KerasFileError, read_keras
from lit_mnist.keras_files.vocabulary import RANDOM, SUPPORTED
from tests.keras_files.files import CONV, INPUT, configured, layer


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
        "output_padding = .1, 1.",  # of 0 where each step is 1
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
