"""Images named on a command line: ``test:19``, ``train:31727``, or an image file, brought to MNIST's form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import DataError, Dataset, load_dataset
from .reader import read_digit

_ID = re.compile(r"(train|test):(\d+)\Z")
_LARGEST = 50_000_000  # pixels; more than any photograph of a digit


@dataclass(frozen=True)
class Images:
    """Pixels 0 to 255 as float32 (n, 28, 28) or (n, H, W, C), labels (-1: unknown), and each image's name."""

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def read_images(names: Sequence[str], dataset: str = "mnist", root: str | Path | None = None,
                input_shape: tuple[int, int, int] = (28, 28, 1)) -> Images:
    """Read images by id (``test:19``, from `dataset` under `root`) or by file, in the given order.

    Files of any size, dark on light or light on dark, are brought to the form of `dataset` (`image_file`).
    Raises DataError naming the image that cannot be had and what is accepted.
    """
    if not names:
        raise DataError("no image named; accepted: ids such as test:19 or train:31727, or image files")
    source = load_dataset(dataset, root) if any(_ID.match(name) for name in names) else None
    found = [_one(name, source, input_shape, dataset) for name in names]
    return Images(np.stack([pixels for pixels, _ in found]).astype(np.float32),
                  np.array([label for _, label in found], np.int64), tuple(names))


def _one(name: str, source: Dataset | None, shape: tuple[int, int, int],
         dataset: str) -> tuple[np.ndarray, int]:
    match = _ID.match(name)
    if match is None:
        return image_file(Path(name), shape, dataset), -1
    if shape != (28, 28, 1):
        raise DataError(f"image {name!r}: is 28 x 28 x 1, this network takes {shape}; accepted: image files")
    part, index = match[1], int(match[2])
    images, labels = ((source.train_images, source.train_labels) if part == "train"
                      else (source.test_images, source.test_labels))
    if index >= len(labels):
        raise DataError(f"image {name!r}: out of range; accepted for {source.name}: {part}:0 to "
                        f"{part}:{len(labels) - 1}")
    return images[index], int(labels[index])


def image_file(path: Path, shape: tuple[int, int, int] = (28, 28, 1), dataset: str = "mnist") -> np.ndarray:
    """Return an image file as pixels 0 to 255, (28, 28) for MNIST's shape, else (H, W, C) just resized.

    For MNIST the picture's digit is read and centred (`reader.read_digit`); for other data sets of that
    shape the picture is laid light on dark into the frame.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        raise DataError(f"image {str(path)!r}: no such file; accepted: an image file, or an id such as test:19")
    try:
        with Image.open(path) as image:
            if image.width * image.height > _LARGEST:
                raise DataError(f"{image.width} x {image.height} pixels; accepted: up to {_LARGEST} pixels")
            image = ImageOps.exif_transpose(image)
            if shape[2] == 1:
                grey = np.asarray(_on_white(image).convert("L"), np.float64)
                return _resized(grey, shape[:2]) if shape[:2] != (28, 28) else _framed(grey, dataset)
            return np.asarray(image.convert("RGB").resize((shape[1], shape[0])), np.float64)
    except DataError as error:
        raise DataError(f"image {str(path)!r}: {error}") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"image {str(path)!r}: not a readable image ({str(error).splitlines()[0][:120]})") from error


def _on_white(image):  # noqa: ANN001, ANN202 - a PIL image in, a PIL image out
    from PIL import Image

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _resized(grey: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(grey.astype(np.float32), "F").resize(size[::-1], Image.Resampling.BOX))


def _framed(grey: np.ndarray, dataset: str) -> np.ndarray:
    """Return a grey picture (H, W) as (28, 28): its digit for MNIST, else all of it, aspect kept, light on dark."""
    if dataset == "mnist":
        return read_digit(grey).pixels
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    light = 255 - grey if np.median(border) > 127 else grey
    height, width = (max(1, round(28 * size / max(grey.shape))) for size in grey.shape)
    canvas = np.zeros((28, 28))
    top, left = (28 - height) // 2, (28 - width) // 2
    canvas[top:top + height, left:left + width] = _resized(light, (height, width))
    return canvas
