"""A converted network beside Keras' own: every layer's output on the same images."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ...network import Network, as_images
from .torch_side import Ours


@dataclass(frozen=True)
class LayerErrors:
    """Largest absolute difference by layer on `images` images, and Keras' largest output there.

    `loader` is the Keras that loaded `file`; `refusals` are the words of those that could not load the file
    that was converted. Where none could, `file` is this program's own rewriting of it: `independent` is
    False then, since a mistake in reading the file would be in both.
    """

    errors: Mapping[str, float]
    largest: Mapping[str, float]
    file: Path
    images: int
    loader: str
    refusals: Mapping[str, str]
    independent: bool


def layer_errors(network: Network, path: Path, rewritten: Path, renamed: Mapping[str, str],
                 images: np.ndarray) -> LayerErrors:
    """Compare every layer with Keras on standardised `images` (n, H, W, C).

    Keras 3 loads `path`, or else tf_keras (Keras 2) where installed; where both refuse it, Keras 3 loads
    `rewritten`. `renamed` maps layer name -> name in the file. NaN on either side counts as infinitely
    different. Needs the extra ``keras``.
    """
    from keras_baseline.backend import quiet

    with quiet(), warnings.catch_warnings(action="ignore"):
        loader, outputs, refusals = _reference(path, rewritten, images)
    pairs = {name: (ours, outputs[renamed.get(name, name)])
             for name, ours in _layers(network, images).items() if renamed.get(name, name) in outputs}
    loaded = loader not in refusals
    return LayerErrors({name: _difference(*pair) for name, pair in pairs.items()},
                       {name: float(np.abs(pair[1]).max()) for name, pair in pairs.items()},
                       path if loaded else rewritten, len(images), loader, refusals, loaded)


def _reference(path: Path, rewritten: Path, images: np.ndarray) -> tuple[str, dict[str, np.ndarray], dict[str, str]]:
    """Return who loaded a file, each layer's output, and why others could not load `path`."""
    refusals: dict[str, str] = {}
    loaders = list(_loaders())
    for loader, keras in loaders:
        try:
            return loader, _outputs(keras, path, images), refusals
        except (ValueError, TypeError, KeyError, OSError, AttributeError, NotImplementedError, RuntimeError) as error:
            refusals[loader] = (str(error).splitlines() or [type(error).__name__])[0][:200]
    loader, keras = loaders[0]
    return loader, _outputs(keras, rewritten, images), refusals


def _loaders() -> Iterator[tuple[str, ModuleType]]:
    from keras_baseline.backend import load_keras

    keras = load_keras()
    yield f"Keras {keras.__version__}", keras
    if importlib.util.find_spec("tf_keras"):
        older = importlib.import_module("tf_keras")
        yield f"tf_keras {older.__version__}", older


def _outputs(keras: ModuleType, path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return every layer's output by its name in the file."""
    model = keras.models.load_model(path, compile=False)
    rank = len(model.layers[0].input.shape if not model.inputs else model.inputs[0].shape)
    return _layer_outputs(keras, model, _shaped(images, rank))


def _shaped(images: np.ndarray, rank: int) -> np.ndarray:
    """Return images (n, H, W, C) as a model takes them that wants no channels (n, H, W), or flat ones."""
    if rank == 3:
        return images[..., 0]
    return images.reshape(len(images), -1) if rank == 2 else images


def _layer_outputs(keras: ModuleType, model: Any, images: np.ndarray) -> dict[str, np.ndarray]:
    model(images, training=False)  # a model whose file names no input's shape is built by its first call
    layers = [layer for layer in model.layers if not isinstance(layer.output, list | tuple)]
    every = keras.Model(model.inputs, [layer.output for layer in layers])
    outputs = every(images, training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return {layer.name: np.asarray(output) for layer, output in zip(layers, outputs, strict=True)}


def _layers(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Our outputs by layer; where the network ends without softmax or sigmoid, so does Keras' last layer."""
    outputs = Ours(network).layers(images)
    if network.spec.output_activation not in ("softmax", "sigmoid"):
        with torch.no_grad():
            outputs[network.spec.output] = network(as_images(images)).numpy()
    return outputs


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    difference = np.abs(ours.reshape(theirs.shape).astype(np.float64) - theirs)
    return float(np.max(np.nan_to_num(difference, nan=np.inf)))
