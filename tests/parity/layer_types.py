"""Small networks that hold every layer type at least once.

Convolutions before each are there so that gradients pass through the layer.
"""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]


def layer(kind: str, name: str, /, **values: Any) -> Entry:
    return {"type": kind, "name": name} | values


def _network(*layers: Entry, shape: tuple[int, int, int] = (9, 8, 4), head: bool = True) -> Entry:
    end = [
        layer("flatten", "Flatten"),
        layer("dense", "Dense", units=3, activation="softmax", l2=0.01),
    ]
    return {"input_shape": list(shape), "layers": [*layers, *(end if head else [])]}


FIRST = layer("conv", "First", filters=4, kernel=[2, 3], padding="same", activation="tanh")
WIDE = [
    FIRST,
    layer("rescaling", "Wide", factor=7.0),
]  # values beyond the corners of piecewise activations
PLAIN = (
    "relu",
    "elu",
    "leaky_relu",
    "tanh",
    "sigmoid",
    "linear",
    "relu6",
    "selu",
    "softplus",
    "softsign",
    "exponential",
    "hard_sigmoid",
    "hard_sigmoid_keras2",
    "silu",
    "hard_swish",
    "mish",
    "softmax",
)
SINGLE = ("gelu", "gelu_tanh")  # whose constants TensorFlow rounds to float32 in float64 too


def _activations(kinds: tuple[str, ...], before: list[Entry]) -> Entry:
    source = before[-1]["name"]
    each = [
        layer(
            "activation",
            kind.title(),
            activation=kind,
            inputs=["First" if kind == "exponential" else source],
        )
        for kind in kinds
    ]
    together = layer("concatenate", "All", inputs=[entry["name"] for entry in each])
    return _network(*before, *each, together, layer("conv", "Last", filters=2, activation="tanh"))


NETWORKS: dict[str, Entry] = {
    "kernels": _network(
        FIRST,
        layer(
            "conv",
            "Dilated",
            filters=4,
            kernel=[2, 3],
            dilation=[1, 2],
            padding="same",
            groups=2,
            l1=0.002,
        ),
        layer(
            "depthwise_conv",
            "Depthwise",
            kernel=[3, 2],
            multiplier=2,
            padding="same",
            activation="elu",
            l2=0.01,
        ),
        layer(
            "separable_conv",
            "Separable",
            filters=5,
            kernel=2,
            stride=2,
            multiplier=2,
            padding="same",
            l1=0.01,
        ),
        layer(
            "transposed_conv",
            "Transposed",
            filters=3,
            kernel=[3, 2],
            stride=[2, 3],
            padding="same",
            l2=0.01,
        ),
        layer(
            "transposed_conv",
            "TransposedValid",
            filters=2,
            kernel=[2, 3],
            stride=[3, 2],
            activation="tanh",
        ),
    ),
    "transposed": _network(
        FIRST,
        layer(
            "transposed_conv",
            "TransposedMore",
            filters=2,
            kernel=[2, 3],
            stride=2,
            padding="same",
            output_padding=[1, 0],
        ),
        layer(
            "transposed_conv",
            "TransposedMost",
            filters=2,
            kernel=2,
            stride=3,
            output_padding=[2, 0],
        ),
    ),
    "scales": _network(
        FIRST,
        layer("layer_norm", "LayerNorm"),
        layer("layer_norm", "LayerNormAll", axis=[1, 2, 3], center=False),
        layer("group_norm", "GroupNorm", groups=2),
        layer("normalization", "Stored"),
        layer(
            "normalization", "Constant", mean=[0.1, 0.2, -0.3, 0.4], variance=[1.0, 2.0, 0.5, 0.7]
        ),
        layer("normalization", "Inverted", mean=0.3, variance=2.0, invert=True),
        layer("rescaling", "PerChannel", factor=[0.5, 1.5, -2.0, 1.0], offset=0.1),
        layer("prelu", "PReLU", shared_axes=[1, 2]),
        layer("activity_regularization", "Activity", l1=0.01, l2=0.02),
        layer("relu", "ReLU", slope=0.1, threshold=0.2, maximum=1.5),
        layer("batch_norm", "BatchNorm"),
        layer("conv", "Last", filters=2, activation="tanh"),
        layer("flatten", "Early"),
        layer("prelu", "PReLUVector"),
        layer("layer_norm", "LayerNormVector"),
    ),
    "distances": _network(
        FIRST,
        layer("flatten", "Early"),
        layer("distances", "Distances", units=5),
        layer("normalization", "Scaled"),
        layer("distances", "Again", units=4),
        layer("dense", "Dense", units=3, activation="softmax", l2=0.01),
        head=False,
    ),
    "shapes": _network(
        FIRST,
        layer("zero_pad", "ZeroPad", padding=[[1, 0], [0, 2]]),
        layer("cropping", "Cropping", cropping=[[0, 1], [2, 1]]),
        layer("pool", "Pool", kind="average"),
        layer("upsampling", "Upsampling", size=[3, 2]),
        layer("permute", "Permute", dims=[3, 1, 2]),
        layer("conv", "Middle", filters=3, kernel=2, activation="tanh"),
        layer("reshape", "Reshape", shape=[3, 3, 11]),
        layer("conv", "Last", filters=2, kernel=2, activation="tanh"),
        layer("global_pool", "Averaged", keepdims=True),
        layer("global_pool", "Largest", kind="max", keepdims=True, inputs=["Last"]),
        layer("concatenate", "Both", inputs=["Averaged", "Largest"]),
    ),
    "merges": _network(
        layer("conv", "A", filters=4, padding="same", activation="tanh"),
        layer("conv", "B", filters=4, padding="same", inputs=["input"], l2=0.01),
        layer("add", "Add", inputs=["A", "B", "A"]),
        layer("subtract", "Subtract", inputs=["Add", "B"]),
        layer("maximum", "Maximum", inputs=["A", "B"]),
        layer("minimum", "Minimum", inputs=["A", "B", "Subtract"]),
        layer("average", "Average", inputs=["Maximum", "Minimum"]),
        layer("shared", "Again", shares="B", inputs=["input"]),
        layer("batch_norm", "Norm", inputs=["Average"]),
        layer("prelu", "PReLU", inputs=["Again"]),
        layer("shared", "PReLUAgain", shares="PReLU", inputs=["Norm"]),
        layer("global_pool", "Squeeze"),
        layer("dense", "Excite", units=4, activation="sigmoid"),
        layer("multiply", "Multiply", inputs=["Excite", "Norm"]),  # a vector times an image
        layer("concatenate", "Concatenate", inputs=["Multiply", "PReLU", "PReLUAgain"], axis=2),
        layer("conv", "Pooled", filters=3, activation="relu"),
        layer("pool", "Pool"),
        layer("flatten", "Image"),
        layer("dense", "Side", units=4, inputs=["Squeeze"]),
        layer("concatenate", "Joined", inputs=["Image", "Side"]),
    ),
    "activations": _activations(PLAIN, WIDE),
    "noise": _network(
        layer("random_flip", "Flip"),
        layer("random_rotation", "Rotation", factor=0.1),
        layer("random_translation", "Translation", height_factor=0.1, width_factor=[-0.2, 0.1]),
        layer("random_zoom", "Zoom", height_factor=0.2),
        layer("random_contrast", "Contrast", factor=0.3),
        FIRST,
        layer("dropout", "Dropout", rate=0.5, spatial=True),
        layer("gaussian_noise", "Noise", stddev=0.3),
        layer("gaussian_dropout", "GaussianDropout", rate=0.2),
        layer("alpha_dropout", "AlphaDropout", rate=0.2),
    ),
}
IN_FLOAT32 = {  # TensorFlow's kernels of these work in float32, or with its constants
    "gelu": _activations(SINGLE, [FIRST]),
    "dilated": _network(
        FIRST,
        layer(
            "transposed_conv",
            "Dilated",
            filters=3,
            kernel=[2, 3],
            dilation=[3, 2],
            padding="same",
            activation="tanh",
        ),
        layer(
            "transposed_conv",
            "DilatedValid",
            filters=2,
            kernel=[2, 1],
            dilation=2,
            use_bias=False,  # its gradient, a sum over all positions, rounds in float32
        ),
        layer("global_pool", "Global"),
    ),
    "bilinear": _network(
        FIRST,
        layer("upsampling", "Bilinear", size=[2, 3], interpolation="bilinear"),
        layer("global_pool", "Global"),
    ),
}
