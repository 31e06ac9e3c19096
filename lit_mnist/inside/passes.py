"""Passes over many images in batches, in evaluation mode, on the network's device and in its
type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import DataError, load_dataset
from ..data.adapt import adapted
from ..data.images import is_flat_folder, read_images
from ..errors import UserError, nearest
from ..network import Network
from ..network.modes import evaluation_mode
from ..runs.model import Model
from ..spec import NetworkSpec
from .capture import PROBABILITIES, Captured, capture

# images; a layer's output for so many bounds the memory of a pass, and is small enough for the
# allocator to reuse it in the next batch
BATCH = 128
VALUES = (
    2**27
)  # of all layers' outputs at a time, half a GiB in float32: large images come in smaller batches
PARTS = ("train", "test")


@contextmanager
def evaluation(network: Network) -> Iterator[None]:
    """Evaluation mode without gradients inside the block; afterwards every module has its previous
    mode.
    """
    with evaluation_mode(network), torch.no_grad():
        yield


def batch_size(spec: NetworkSpec, most: int = BATCH) -> int:
    """Return the batch size for a pass: `most`, or less for a network with large layer outputs."""
    if most < 1:
        raise UserError(f"batch_size = {most!r} cannot work; accepted: a whole number above 0")
    values = sum(math.prod(info.output_shape) for info in spec.table)
    return max(1, min(most, VALUES // values))


def gradient_batch_size(spec: NetworkSpec, most: int = BATCH) -> int:
    """Return the batch size for a pass with gradients, which take as much memory as the
    activations.
    """
    return max(1, batch_size(spec, 2 * most) // 2)


def batches(model: Model, pixels: np.ndarray, most: int = BATCH) -> Iterator[Tensor]:
    """Return pixels 0 to 255, (n, H, W) or (n, H, W, C), as the network's inputs, `batch_size` at a
    time.
    """
    size = batch_size(model.spec, most)
    like = next(model.network.parameters(), torch.zeros(()))
    return (
        model.tensor(pixels[start : start + size]).to(like) for start in range(0, len(pixels), size)
    )


def class_probabilities(
    model: Model,
    pixels: np.ndarray,
    most: int = BATCH,
    watch: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> np.ndarray:
    """Return the probabilities (n, classes), float64, of pixels 0 to 255 as in `batches`.

    Batches have at most `most` images; `watch` passes them on, for example to show progress.
    """
    network = model.network
    with evaluation(network):
        parts = [
            network.probabilities(network(batch).cpu().double())
            for batch in watch(batches(model, pixels, most))
        ]
    return as_array(torch.cat(parts))


def sweep(
    network: Network,
    inputs: Iterable[Tensor],
    layers: Sequence[str],
    take: Callable[[Captured], None],
) -> None:
    """Call `take` with the named activations of each batch; they are valid until it returns.

    `layers` are names, not globs; only the layers that these need are run. This is not a
    generator, since one that is not exhausted would leave hooks and modes changed.
    """
    whole = any(name.endswith(PROBABILITIES) for name in layers)  # these belong to the network
    needed = dict.fromkeys(name.partition(":")[0] for name in layers)
    with evaluation(network), capture(network, layers, clone=False) as maps:
        for batch in inputs:
            if whole:
                network(batch)
            else:
                network.layer_values(batch, *needed)
            take(maps)


def dataset_part(
    model: Model, part: str, root: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (uint8) and labels of one `part` of the network's data set.

    Pixels are (n, H, W) or (n, H, W, 3), resized to the network's input. A folder of pictures
    without folders of classes serves as both parts, with labels of -1. Raises DataError for an
    unknown part.
    """
    if part not in PARTS:
        raise DataError(f"data part {part!r}: unknown; {nearest(part, PARTS)}")
    shape = model.spec.input_shape
    place = root or model.data_root
    if model.dataset == "folder" and place and is_flat_folder(place):
        images = read_images([str(place)], "folder", None, shape)
        return images.pixels.astype(np.uint8), images.labels
    dataset = adapted(load_dataset(model.dataset, root or model.data_root, shape=shape), shape)
    if part == "train":
        return dataset.train_images, dataset.train_labels
    return dataset.test_images, dataset.test_labels


def by_map(tensor: Tensor) -> Tensor:
    """Return activations (N, maps, H, W) as (N, maps, positions), and units (N, units) as (N,
    units, 1).
    """
    return tensor.flatten(2) if tensor.dim() > 2 else tensor.unsqueeze(-1)


def as_array(tensor: Tensor) -> np.ndarray:
    """Return a tensor of any type and device as an array; bfloat16 and float16 become float32."""
    if tensor.is_floating_point() and tensor.dtype != torch.float64:
        tensor = tensor.float()  # NumPy lacks bfloat16
    return tensor.detach().cpu().numpy()
