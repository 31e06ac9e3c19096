"""Write Keras files of graphs and of rarer layers, with random weights, with whatever Keras release
runs this script.

    python tests/keras_files/make_graphs.py tests/keras_files/data NAME

The counterpart of make_fixtures.py, run in the same environments. Writes NAME_graph, NAME_first
(channels first) and, from TensorFlow 2.4 on, NAME_modern, each as .h5 and as .keras where the
release has the format, and NAME.npz with the predictions for `some_images`. NAME_graph is trained
with Adadelta, for its slots.
"""

import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from images import some_images  # noqa: E402 - beside this script
from make_fixtures import RELEASE, VERSION, L, keras, shaken  # noqa: E402

GROUPS = {"groups": 3} if VERSION >= (3, 0) else {}  # no kernel for processors before


def graph():
    image = L.Input((12, 12, 3), name="image")
    a = L.Conv2D(4, 3, padding="same", activation="tanh", name="a")(image)
    d = L.DepthwiseConv2D(3, padding="same", name="depthwise")(a)
    s = L.SeparableConv2D(5, 3, padding="same", depth_multiplier=2, name="separable")(
        L.GaussianNoise(0.1, name="n")(a)
    )
    x = L.Concatenate(name="joined")([L.Add(name="sum")([a, d, a]), s])
    x = L.Conv2DTranspose(3, 3, strides=2, padding="same", name="transposed")(x)
    x = L.Concatenate(name="again")([x, L.UpSampling2D(2, name="enlarged")(d)])
    x = L.PReLU(shared_axes=[1, 2], name="prelu")(x)
    nested = keras.models.Sequential(
        [
            L.Conv2D(4, 2, strides=2, input_shape=(24, 24, 7), name="inside"),
            L.BatchNormalization(name="norm"),
            L.Activation("selu", name="selu"),
            L.Cropping2D(((1, 0), (0, 2)), name="cropped"),
            L.Conv2D(4, 1, name="last"),
        ],
        name="nested",
    )
    v = L.GlobalMaxPooling2D(name="largest")(nested(x))
    twice = L.Dense(4, activation="softsign", name="twice")
    v = twice(twice(v))
    attention = L.Dense(4, activation="softmax", name="attention")(v)
    v = L.Multiply(name="product")([v, attention])
    v = L.Maximum(name="maximum")([v, L.AlphaDropout(0.1, name="alpha")(attention)])
    out = L.Dense(3, activation="softmax", name="out")(v)
    side = L.Dense(2, activation="sigmoid", name="side")(L.Average(name="mean")([v, attention]))
    return keras.models.Model(image, [out, side])


def first():
    first = {"data_format": "channels_first"}
    return keras.models.Sequential(
        [
            L.Conv2D(3, 3, activation="relu", input_shape=(1, 12, 12), name="conv", **first),
            L.BatchNormalization(axis=1, name="norm"),
            L.MaxPooling2D(2, name="pool", **first),
            L.ZeroPadding2D(((1, 0), (0, 2)), name="pad", **first),
            L.Conv2D(4, (2, 3), name="wide", **first),
            L.Flatten(name="flat"),
            L.Dropout(0.2, name="drop"),
            L.BatchNormalization(name="vector"),
            L.Dense(5, activation="softsign", name="dense"),
            L.Dense(4, activation="hard_sigmoid", name="hard"),
            L.Dense(3, activation="softmax", name="scores"),
        ]
    )


def modern():
    P = getattr(getattr(L, "experimental", None), "preprocessing", None) if VERSION < (2, 6) else L
    norm = P.Normalization(axis=-1, name="statistics")
    image = L.Input((12, 12, 3), name="image")
    x = P.Rescaling(2.0, 0.25, name="scaled")(image)
    x = P.RandomRotation(0.1, name="turned")(P.RandomFlip("horizontal", name="flipped")(x))
    x = norm(x)
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="swish", name="grouped", **GROUPS)(x)
    x = L.LayerNormalization(name="layer_norm")(x * 2.0 + 1.0)
    h = L.ReLU(6.0, name="capped")(x + 3.0) * (1.0 / 6.0)
    x = L.Multiply(name="hard_swish")([x, h])
    x = L.Conv2D(6, 3, dilation_rate=2, padding="same", activation="gelu", name="dilated")(x)
    x = L.ReLU(negative_slope=0.1, threshold=0.2, name="general")(x)
    pooled = L.GlobalAveragePooling2D(name="squeeze")(x)
    pooled = L.Dense(6, activation="hard_sigmoid", name="excite")(pooled)
    x = L.Multiply(name="weighted")([x, L.Reshape((1, 1, 6), name="pixel")(pooled)])
    x = P.Rescaling(0.05, name="small")(x)
    x = L.Conv2D(3, 6, name="scores")(L.SpatialDropout2D(0.1, name="maps")(x))
    x = L.Softmax(name="softmax")(x)
    return keras.models.Model(image, L.Flatten(name="flat")(x))


def main(folder, name):
    models = (
        {"graph": graph, "first": first, "modern": modern}
        if VERSION >= (2, 4)
        else {"graph": graph, "first": first}
    )
    out = {"release": np.array("keras " + RELEASE)}
    for kind, build in models.items():
        images = some_images(1 if kind == "first" else 3)
        model = shaken(build())
        for layer in model.layers:
            if hasattr(
                layer, "finalize_state"
            ):  # Normalization computes with a copy of its weights
                layer.finalize_state()
        if kind == "graph":
            model.compile(
                optimizer=keras.optimizers.Adadelta(), loss=["categorical_crossentropy", "mse"]
            )
            model.fit(
                images,
                [np.eye(3)[[0, 1, 2, 0, 1, 2]], np.eye(2)[[0, 1, 0, 1, 0, 1]]],
                batch_size=3,
                verbose=0,
            )
        try:
            predicted = model.predict(images.transpose(0, 3, 1, 2) if kind == "first" else images)
        except Exception as error:  # a TensorFlow whose processor kernels know channels last alone
            print(kind, type(error).__name__)
            continue
        for number, output in enumerate(predicted if isinstance(predicted, list) else [predicted]):
            out[kind + "_" + str(number)] = output
        for ending in (".keras", ".h5") if VERSION >= (2, 13) else (".h5",):
            path = os.path.join(folder, name + "_" + kind + ending)
            try:
                model.save(path)
            except (
                ValueError,
                TypeError,
            ) as error:  # Keras 3.0 cannot write all that it builds as .h5
                print(kind, ending, error)
                os.remove(path)
    np.savez_compressed(os.path.join(folder, name + ".npz"), **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
