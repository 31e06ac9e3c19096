"""Pictures in the size and colours that a network takes, and a comparison of classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..environment import memory_bytes
from ..spec import NetworkSpec, Shape
from .dataset import Dataset
from .idx import DataError

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L


def adapt(images: np.ndarray, shape: Shape) -> np.ndarray:
    """Return uint8 images in `shape`: (n, H, W) for one channel, else (n, H, W, 3).

    28 x 28 is padded with zeros to 32 x 32 (LeNet's rule); other sizes are resized with
    antialiasing. Grey becomes colour by repetition, colour grey by ITU-R
    BT.601's weights. Raises DataError for another number of channels.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise DataError(
            f"this network takes {_text(shape)}; accepted for pictures: 1 channel (grey) or 3 "
            "(colour)"
        )
    needed = len(images) * height * width * channels
    memory = memory_bytes()
    if needed > memory // 2:
        raise DataError(
            f"{len(images)} images of {_text(shape)} take {needed / 2**30:.0f} GiB of "
            f"{memory / 2**30:.0f}; accepted: a network of smaller images, or single images by name"
        )
    if images.ndim == 4 and channels == 1:
        images = np.rint(images @ np.array(_GREY)).astype(np.uint8)
    if images.shape[1:3] == (28, 28) and (height, width) == (32, 32):
        images = np.pad(images, [(0, 0), (2, 2), (2, 2), *[(0, 0)] * (images.ndim - 3)])
    elif images.shape[1:3] != (height, width):
        images = _resized(images, height, width)
    return np.repeat(images[..., None], 3, axis=3) if images.ndim == 3 and channels == 3 else images


def adaptation(source: Shape, shape: Shape) -> str | None:
    """Describe what `adapt` does to images of shape `source`; None if nothing."""
    if source == shape:
        return None
    steps = ["turned grey"] if source[2] > shape[2] else []
    if source[:2] != shape[:2]:
        padded = source[:2] == (28, 28) and shape[:2] == (32, 32)
        steps.append(f"{'padded with zeros' if padded else 'resized'} to {shape[0]} x {shape[1]}")
    steps += ["repeated in three channels"] if source[2] < shape[2] else []
    return f"images of {_text(source)} {', '.join(steps)}"


def adapted(dataset: Dataset, shape: Shape) -> Dataset:
    """Return the data set with images of `shape`; `Dataset.adapted` describes the change."""
    description = adaptation(dataset.image_shape, shape)
    if description is None:
        return dataset
    return replace(
        dataset,
        train_images=adapt(dataset.train_images, shape),
        test_images=adapt(dataset.test_images, shape),
        adapted=description,
    )


def check_classes(dataset: Dataset, spec: NetworkSpec) -> None:
    """Raise DataError if the network's classes are not those of the data set."""
    if spec.units == 1 and spec.output_activation == "softmax":
        raise DataError(
            f"layer {spec.output!r}: a softmax over one unit is always 1; accepted: one sigmoid "
            "unit for two classes, or one unit a class"
        )
    classes = len(dataset.class_names)
    if spec.classes != classes:
        unit = "one unit, for 2 classes" if spec.units == 1 else f"{spec.units} units"
        accepted = (
            "a network with 1 or 2 units" if classes == 2 else f"a network with {classes} units"
        )
        raise DataError(
            f"the network's last layer {spec.output!r} has {unit}, but the data set "
            f"{dataset.name} has {classes} classes; accepted: {accepted}, or another data set "
            "(--data.dataset, --data.root)"
        )


def _resized(images: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    result = np.empty((len(images), height, width, *images.shape[3:]), np.uint8)
    for number, image in enumerate(images):
        result[number] = np.asarray(
            Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        )
    return result


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
