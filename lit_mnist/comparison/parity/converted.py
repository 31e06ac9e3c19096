"""A converted network beside Keras' own: every layer's output on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...network import Network, as_images
from .torch_side import Ours


@dataclass(frozen=True)
class LayerErrors:
    """Largest absolute difference by layer on `images` images, and Keras' largest output there.

    `file` is what Keras loaded; `refusal` is Keras' own words where it could not load the file that was converted.
    """

    errors: Mapping[str, float]
    largest: Mapping[str, float]
    file: Path
    images: int
    keras_version: str
    refusal: str | None = None


def layer_errors(network: Network, path: Path, rewritten: Path, renamed: Mapping[str, str],
                 images: np.ndarray) -> LayerErrors:
    """Compare every layer with Keras on standardised `images` (n, H, W, C).

    Keras loads `path`, or `rewritten` where it refuses files of that age. `renamed` maps layer name ->
    name in the file. NaN on either side counts as infinitely different. Needs the extra ``keras``.
    """
    from keras_baseline.backend import load_keras

    keras = load_keras()
    file, refusal = path, None
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, AttributeError) as error:
        refusal = (str(error).splitlines() or [type(error).__name__])[0][:200]
        file, model = rewritten, keras.saving.load_model(rewritten, compile=False, safe_mode=True)
    every = keras.Model(model.inputs, [layer.output for layer in model.layers])
    outputs = every([images.reshape(len(images), *model.inputs[0].shape[1:])], training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    theirs = {layer.name: np.asarray(output) for layer, output in zip(model.layers, outputs, strict=True)}
    pairs = {name: (ours, theirs[renamed.get(name, name)])
             for name, ours in _layers(network, images).items() if renamed.get(name, name) in theirs}
    return LayerErrors({name: _difference(*pair) for name, pair in pairs.items()},
                       {name: float(np.abs(pair[1]).max()) for name, pair in pairs.items()},
                       file, len(images), keras.__version__, refusal)


def _layers(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Our outputs by layer; where the network ends without softmax or sigmoid, so does Keras' last layer."""
    found = Ours(network).layers(images)
    if network.spec.output_activation not in ("softmax", "sigmoid"):
        with torch.no_grad():
            found[network.spec.names[-1]] = network(as_images(images)).numpy()
    return found


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    difference = np.abs(ours.reshape(theirs.shape).astype(np.float64) - theirs)
    return float(np.max(np.nan_to_num(difference, nan=np.inf)))
