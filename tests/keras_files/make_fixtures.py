"""Write small random-weight Keras files with whatever Keras release runs this script (2.0 to 3.15).

    python tests/keras_files/make_fixtures.py tests/keras_files/data NAME

Runs in an environment that holds that release (see data/README.md), never in the tests. Writes
NAME_sequential.h5, NAME_functional.h5, NAME_weights.h5 (and the same as .keras where the release
has the format), each trained one step so that the optimiser has slots, and NAME.npz with the
predictions for `some_images`.
"""

import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from images import some_images  # noqa: E402 - beside this script

try:
    if os.environ.get("TF_KERAS"):
        from tensorflow import keras
    else:
        import keras
except ImportError:
    from tensorflow import keras

L = keras.layers
RELEASE = getattr(keras, "__version__", None) or __import__("keras").__version__
VERSION = tuple(int(part) for part in RELEASE.split(".")[:2])


def sequential():
    layers = [
        L.Conv2D(
            3,
            (3, 3),
            activation="relu",
            input_shape=(12, 12, 1),
            name="Conv2D_2",
            kernel_regularizer="l2",
        ),
        L.MaxPooling2D((2, 2), name="Max_Pool_1"),
        L.Conv2D(4, (2, 3), padding="same", strides=(1, 1), name="conv2d-1"),
        L.BatchNormalization(name="norm"),
        L.Activation("tanh", name="train"),
        L.AveragePooling2D((2, 2), strides=(2, 2), padding="same", name="average"),
        L.Flatten(name="flat"),
        L.Dropout(0.25, name="drop"),
        L.Dense(5, activation="elu", use_bias=False, name="dense"),
        L.Dense(3, activation="softmax", name="probabilities"),
    ]
    return keras.models.Sequential(layers)


def functional():
    x = image = L.Input((12, 12, 3), name="image")
    x = L.ZeroPadding2D(((1, 0), (2, 1)), name="pad")(x)
    x = L.Conv2D(3, 3, strides=2, name="conv")(x)
    x = L.LeakyReLU(0.125, name="leaky")(x)
    x = L.SpatialDropout2D(0.1, name="maps")(x)
    x = L.Conv2D(4, 3, padding="same", strides=2, name="even")(x)
    x = L.ELU(0.5, name="exponential")(x)
    x = L.BatchNormalization(scale=False, name="norm")(x)
    x = L.GlobalAveragePooling2D(name="mean")(x)
    x = L.Dense(18, name="wide")(x)
    x = L.Reshape((3, 3, 2), name="image_again")(x)
    x = L.Conv2D(2, 2, activation="sigmoid", name="last_conv")(x)
    x = L.Flatten(name="flat")(x)
    x = L.Dense(3, name="scores")(x)
    x = (
        L.Softmax(name="out")(x)
        if hasattr(L, "Softmax")
        else L.Activation("softmax", name="out")(x)
    )
    return keras.models.Model(image, x)


def shaken(model):
    random = np.random.RandomState(3)
    model.set_weights([w + random.uniform(0, 0.2, w.shape) for w in model.get_weights()])
    return model


def main(folder, name):
    out = {"release": np.array(f"keras {RELEASE}")}
    optimizers = {
        "sequential": lambda: keras.optimizers.RMSprop(),
        "functional": lambda: keras.optimizers.Adam(),
    }
    for kind, build, channels in (("sequential", sequential, 1), ("functional", functional, 3)):
        model = shaken(build())
        model.compile(
            optimizer=optimizers[kind](), loss="categorical_crossentropy", metrics=["accuracy"]
        )
        images = some_images(channels)
        model.fit(images, np.eye(3)[[0, 1, 2, 0, 1, 2]], batch_size=3, epochs=2, verbose=0)
        out[kind] = model.predict(images)
        if VERSION >= (2, 12):  # before .h5: Keras 3 forgets a model's optimiser when it writes .h5
            as_zip = {(2, 12): {"save_format": "keras_v3"}, (2, 15): {"save_format": "keras"}}.get(
                VERSION, {}
            )
            model.save(os.path.join(folder, f"{name}_{kind}.keras"), **as_zip)
        model.save(os.path.join(folder, f"{name}_{kind}.h5"))
    model.save_weights(
        os.path.join(folder, name + (".weights.h5" if VERSION >= (3, 0) else "_weights.h5"))
    )
    np.savez_compressed(os.path.join(folder, name + ".npz"), **out)
    print(json.dumps({"release": RELEASE}))


if __name__ == "__main__":
    main(*sys.argv[1:])
