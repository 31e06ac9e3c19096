"""Networks by name, with the ImageNet weights that Keras and torchvision publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..data import Standardizer
from ..data.download import Digest, Progress
from ..data.pretrained import Published, obtain
from ..errors import first_line
from ..network import Network
from ..spec import Conv, NetworkSpec, SpecError, imagenet
from ..spec.weights import Weights, from_torch, torch_name
from .model import Model, ModelError

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_TORCH = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class PublishedNetwork:
    """A network's description and the files with its weights, each with its scaling of pixels."""

    build: Callable[[], NetworkSpec]
    files: tuple[tuple[Published, str], ...]


PUBLISHED = {
    "vgg19": PublishedNetwork(
        imagenet.vgg19,
        (
            (
                Published(
                    f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
                    Digest("md5", "253f8cb515780f3b799900260a226db6"),
                    "keras",
                ),
                "caffe",
            ),
            (
                Published(f"{_TORCH}/vgg19-dcbb9e9d.pth", Digest("sha256", "dcbb9e9d"), "torch"),
                "imagenet",
            ),
        ),
    ),
    "squeezenet": PublishedNetwork(
        imagenet.squeezenet,
        (
            (
                Published(
                    f"{_TORCH}/squeezenet1_1-b8a52dc0.pth", Digest("sha256", "b8a52dc0"), "torch"
                ),
                "imagenet",
            ),
        ),
    ),
}


def open_published(name: str, download: bool = True, progress: Progress | None = None) -> Model:
    """Open the network `name` of `PUBLISHED`.

    Its weights come from a cache, else they are downloaded.

    Raises WeightsError naming the ways out, ModelError for a file that lacks a layer.
    """
    files = [file for file, _ in PUBLISHED[name].files]
    return _opened(PUBLISHED[name], *obtain(files, download, progress))


def open_published_file(path: Path) -> Model | None:
    """Open a file with the name of a published one; return None for other names."""
    return next(
        (
            _opened(network, file, path)
            for network in PUBLISHED.values()
            for file, _ in network.files
            if file.name == path.name
        ),
        None,
    )


def _opened(published: PublishedNetwork, file: Published, path: Path) -> Model:
    spec = published.build()
    scaling = dict(published.files)[file]
    read = keras_weights if file.library == "keras" else torchvision_weights
    network = Network(spec)
    network.load_weights(read(path, spec))
    standardizer = Standardizer.fit(scaling, np.zeros((1, *spec.input_shape), np.uint8))
    return Model(network.eval(), standardizer, "folder", path)


def keras_weights(path: Path, spec: NetworkSpec) -> Weights:
    """Read the weights of `spec` from a Keras file, by layer name."""
    from ..keras_files import read_weights  # h5py is needed for these files alone

    return read_weights(path, spec)


def torchvision_weights(path: Path, spec: NetworkSpec) -> Weights:
    """Read the convolutions of `spec` from a state dict of torchvision's network, in order.

    Convolutions stand in the order of computation; raises ModelError naming the file and the
    layer that it lacks or has in another shape.
    """
    stored = _convolutions(path)
    convolutions = [layer.name for layer in spec.layers if isinstance(layer, Conv)]
    if len(stored) < len(convolutions):
        raise ModelError(
            f"{path}: {len(stored)} convolutions; lacks layer {convolutions[len(stored)]!r}; "
            f"accepted: a state dict of torchvision's network, with {len(convolutions)} "
            "convolutions"
        )
    state = {}
    for layer, (weight, bias) in zip(convolutions, stored, strict=False):
        state[torch_name(spec, f"{layer}/kernel")] = weight
        state[torch_name(spec, f"{layer}/bias")] = bias
    try:
        return from_torch(spec, state)
    except (SpecError, ValueError) as error:
        raise ModelError(f"{path}: does not fit the network: {error}") from error


def _convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of each convolution, in order."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        kernels = [
            key.removesuffix(".weight")
            for key, value in state.items()
            if key.endswith(".weight") and value.ndim == 4
        ]
        return [(state[f"{key}.weight"].numpy(), state[f"{key}.bias"].numpy()) for key in kernels]
    except Exception as error:  # torch raises whatever the damage leads to
        raise ModelError(
            f"{path}: not a state dict of torchvision's network ({first_line(error)})"
        ) from error
