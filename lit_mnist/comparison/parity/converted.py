"""A converted network compared with Keras': every layer's output on the same images."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ...keras_files import KerasFile
from ...network import Network, as_images
from .torch_side import layer_outputs

_ROUNDINGS = 10  # times the network's own float32 rounding; the most in 145 layers was 2.4
_LEAST = 2e-6  # of a layer's largest output: some layers happen to round to the same values


@dataclass(frozen=True)
class LayerErrors:
    """Largest absolute difference by layer on `images` images, and what explains it.

    `rounding` is the largest difference of the network here, in float32, from itself in float64,
    and `largest` Keras' largest output. `loader` is the Keras that loaded `file`; `refusals` are
    the errors of those that could not load the converted file. If none could, `file` was rewritten
    by this program, and `independent` is False, since a mistake in reading it would affect both.
    """

    errors: Mapping[str, float]
    rounding: Mapping[str, float]
    largest: Mapping[str, float]
    file: Path
    images: int
    loader: str
    refusals: Mapping[str, str]
    independent: bool

    def limit(self, name: str) -> float:
        """Return the largest difference of layer `name` that float32's rounding explains."""
        rounding = self.rounding[name]
        explained = _ROUNDINGS * rounding if np.isfinite(rounding) else 0.0
        return max(explained, _LEAST * self.largest[name])

    @property
    def differing(self) -> tuple[str, ...]:
        """The layers that differ by more than rounding explains, in the network's order."""
        return tuple(name for name, error in self.errors.items() if not error <= self.limit(name))

    @property
    def largest_of_limit(self) -> float:
        """The largest difference as a fraction of its limit."""
        return max(error / max(self.limit(name), 1e-30) for name, error in self.errors.items())


def layer_errors(
    network: Network, file: KerasFile, path: Path, rewritten: Path, images: np.ndarray
) -> LayerErrors:
    """Compare every layer with Keras on standardised `images` (n, H, W, C).

    Keras 3 loads `path`, or else tf_keras (Keras 2) if installed; if both refuse it, Keras 3 loads
    `rewritten`. `file` holds names and order of the layers of `path`. NaN on either side counts as
    infinitely different. Needs the extra ``keras``.
    """
    from keras_baseline.backend import quiet

    with quiet(), warnings.catch_warnings(action="ignore"):
        loader, outputs, refusals = _reference(file, path, rewritten, images)
    loaded = loader not in refusals
    skipped = file.moved if loaded else ()
    pairs = {
        name: (ours, outputs[file.renamed.get(name, name)])
        for name, ours in _layers(network, images).items()
        if file.renamed.get(name, name) in outputs and name not in skipped
    }
    exact = _layers(copy.deepcopy(network).double(), images)
    return LayerErrors(
        {name: _difference(*pair) for name, pair in pairs.items()},
        {name: _difference(pair[0], exact[name]) for name, pair in pairs.items()},
        {name: float(np.abs(pair[1]).max()) for name, pair in pairs.items()},
        path if loaded else rewritten,
        len(images),
        loader,
        refusals,
        loaded,
    )


def _reference(
    file: KerasFile, path: Path, rewritten: Path, images: np.ndarray
) -> tuple[str, dict[str, np.ndarray], dict[str, str]]:
    """Return which Keras loaded a file, each layer's output, and the errors of others."""
    refusals: dict[str, str] = {}
    loaders = list(_loaders())
    for loader, keras in loaders:
        try:
            if not file.channels_first:
                return loader, _outputs(keras, path, images), refusals
            outputs = _outputs(keras, path, images.transpose(0, 3, 1, 2))
            return loader, _channels_last(file, outputs), refusals
        except (
            ValueError,
            TypeError,
            KeyError,
            OSError,
            AttributeError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            refusals[loader] = (str(error).splitlines() or [type(error).__name__])[0][:200]
    loader, keras = loaders[0]
    return loader, _outputs(keras, rewritten, images), refusals


def _loaders() -> Iterator[tuple[str, ModuleType]]:
    from keras_baseline.backend import load_keras
    from keras_baseline.custom import register

    keras = load_keras()
    register(keras)
    yield f"Keras {keras.__version__}", keras
    if importlib.util.find_spec("tf_keras"):
        older = importlib.import_module("tf_keras")
        yield f"tf_keras {older.__version__}", older


def _outputs(keras: ModuleType, path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return every layer's output by its name in the file."""
    model = keras.models.load_model(path, compile=False)
    model(
        _shaped(images, _input_shape(model)), training=False
    )  # builds a model whose file names no input's shape
    return _layer_outputs(keras, model, [_shaped(images, _input_shape(model))])


def _channels_last(file: KerasFile, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of a channels-first file in the order of `file.spec`."""
    orders = {file.renamed.get(name, name): order for name, order in file.orders.items()}
    return {
        name: np.moveaxis(array, 1, -1)
        if array.ndim == 4
        else array[:, orders.get(name, slice(None))]
        for name, array in outputs.items()
    }


def _input_shape(model: Any) -> Sequence[int | None]:
    """Return a model's input shape with its batch axis; sizes may be unknown."""
    return model.inputs[0].shape if model.inputs else model.layers[0].input.shape


def _shaped(images: np.ndarray, shape: Sequence[int | None]) -> np.ndarray:
    """Return images (n, H, W, C) in the form of models without channels (n, H, W), or flat."""
    if len(shape) == 3:
        return images[..., 0]
    return images.reshape(len(images), -1) if len(shape) == 2 else images


def _layer_outputs(
    keras: ModuleType, model: Any, inputs: list[np.ndarray], prefix: str = "", suffix: str = ""
) -> dict[str, np.ndarray]:
    """Return the outputs of a model's layers, and of those of models inside it (``model/layer``).

    Of a layer that is called twice, the second call's output is ``layer_call2``.
    """
    calls = list(_calls(model))
    nested = {
        place: _listed(node.input_tensors)
        for place, (layer, _, node) in enumerate(calls)
        if hasattr(layer, "layers")
    }
    by_call = [
        nested.get(place) or _listed(_output_tensors(node))
        for place, (_, _, node) in enumerate(calls)
    ]
    every = keras.Model(model.inputs, [tensor for tensors in by_call for tensor in tensors])
    values = iter(_listed(every(inputs if len(inputs) > 1 else inputs[0], training=False)))
    outputs: dict[str, np.ndarray] = {}
    for place, (layer, number, _) in enumerate(calls):
        results = [np.asarray(next(values)) for _ in by_call[place]]
        call = suffix if number == 1 else f"_call{number}"
        if place in nested:
            outputs |= _layer_outputs(keras, layer, results, f"{prefix}{layer.name}/", call)
        else:
            outputs[f"{prefix}{layer.name}{call}"] = results[0]
    return outputs


def _output_tensors(node: Any) -> Any:
    return node.output_tensors if hasattr(node, "output_tensors") else node.outputs


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _calls(model: Any) -> Iterator[tuple[Any, int, Any]]:
    """Yield every layer with number (from 1) and node of each of its calls in the model."""
    graph = (
        getattr(model, "_functional", None) or model
    )  # Keras 3's Sequential holds a functional model
    keys = graph._nodes if hasattr(graph, "_nodes") else graph._network_nodes
    for layer in model.layers:
        number = 0
        for place, node in enumerate(layer._inbound_nodes):
            if (
                f"{id(layer)}_ib-{place}" in keys or f"{layer.name}_ib-{place}" in keys
            ):  # Keras 3, Keras 2
                number += 1
                yield layer, number, node


def _layers(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return our outputs by layer, with the last one as Keras' last layer gives it.

    A network may end without softmax or sigmoid.
    """
    outputs = layer_outputs(network, images)
    if network.spec.output_activation not in ("softmax", "sigmoid"):
        with torch.no_grad():
            pixels = as_images(images).to(next(network.parameters()).dtype)
            outputs[network.spec.output] = network(pixels).numpy()
    return outputs


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.size != theirs.size:
        return float("inf")
    difference = np.abs(ours.reshape(theirs.shape).astype(np.float64) - theirs)
    return float(np.max(np.nan_to_num(difference, nan=np.inf)))
