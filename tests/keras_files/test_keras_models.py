"""Models that Keras itself builds and saves: read with the same outputs, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lit_mnist.keras_files import KerasFileError, read_keras
from lit_mnist.network import Network


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
