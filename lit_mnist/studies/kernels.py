"""Hand-made 3 x 3 filters and max-pooling on photographs, and learnt filters that resemble them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import correlate2d

from ..errors import UserError, nearest
from ..files import expand

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
SAMPLES = ("china.jpg", "flower.jpg")  # the photographs that come with scikit-learn
_SOBEL_X = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
_SOBEL_Y = ((-1, -2, -1), (0, 0, 0), (1, 2, 1))
KERNELS: Mapping[str, Sequence[Sequence[float]]] = {
    "edges": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "sobel_x": _SOBEL_X,
    "sobel_y": _SOBEL_Y,
    "prewitt_x": ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    "prewitt_y": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    "laplacian": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "blur": ((1 / 9,) * 3,) * 3,
    "emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
}
# the source's names, by what the kernels respond to
ALIASES = {"vertical": "sobel_x", "horizontal": "sobel_y"}


@dataclass(frozen=True)
class Kernel:
    """A named 3 x 3 kernel, float64."""

    name: str
    weights: np.ndarray


@dataclass(frozen=True)
class Filtered:
    """A photograph after a kernel, (H - 2, W - 2), pixels 0 to 255, and after max-pooling."""

    kernel: Kernel
    response: np.ndarray
    pooled: np.ndarray

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.studies import filtered

        return to_bytes(filtered(None, [self]))


@dataclass(frozen=True)
class Resemblance:
    """A learnt kernel and the hand-made one that it resembles most.

    `correlation` is the cosine between the two, -1 to 1. Where it is negative, `hand_made` holds
    the negated kernel, which is the one that the learnt kernel resembles.
    """

    map: int
    learnt: Kernel
    hand_made: Kernel
    correlation: float


def read_kernel(text: str) -> Kernel:
    """Return a kernel by name, or from numbers such as ``-1,0,1;-2,0,2;-1,0,1``, with semicolons
    between rows.
    """
    if text in KERNELS or text in ALIASES:
        return Kernel(text, np.array(KERNELS[ALIASES.get(text, text)], np.float64))
    if not set(text) & set("0123456789"):
        raise UserError(f"--kernel {text}: unknown; {nearest(text, [*KERNELS, *ALIASES])}")
    try:
        weights = np.array([row.split(",") for row in text.split(";")], np.float64)
    except ValueError:
        weights = np.empty(0)
    if weights.shape != (3, 3) or not np.isfinite(weights).all():
        raise UserError(
            f"--kernel {text}: cannot work; accepted: three rows of three numbers, such as "
            "'-1,0,1;-2,0,2;-1,0,1', or a name: " + ", ".join([*KERNELS, *ALIASES])
        )
    return Kernel(text, weights)


def read_photograph(name: str) -> np.ndarray:
    """Return a photograph as grey values 0 to 255, float64 (H, W), from a file or scikit-learn.

    Raises UserError for a file that cannot be read, and for one that is smaller than a kernel.
    """
    from sklearn.datasets import load_sample_image

    from ..data.pictures import open_picture

    if name in SAMPLES and not expand(name).is_file():
        return load_sample_image(name) @ np.array(_GREY)
    path = expand(name)
    if not path.is_file():
        raise UserError(
            f"--images {name}: no such file; accepted: a picture, or scikit-learn's "
            f"{', '.join(SAMPLES)}"
        )
    grey = np.asarray(open_picture(path, "RGB"), np.float64) @ np.array(_GREY)
    if min(grey.shape) < 3:
        raise UserError(f"--images {name}: is smaller than the kernel; accepted: 3 x 3 or more")
    return grey


def apply(grey: np.ndarray, kernel: Kernel, pool: int = 2) -> Filtered:
    """Return `grey` (H, W) after `kernel`, without padding, clipped to 0 to 255, and after
    max-pooling.
    """
    response = correlate2d(grey, kernel.weights, mode="valid").clip(0, 255)
    return Filtered(kernel, response, max_pool(response, pool))


def max_pool(image: np.ndarray, size: int) -> np.ndarray:
    """Return the maximum of each `size` x `size` cell, without incomplete cells. Raises
    UserError.
    """
    if not 1 <= size <= min(image.shape):
        raise UserError(
            f"--pool {size}: cannot work; accepted: 1 to {min(image.shape)} for this picture"
        )
    height, width = (length // size for length in image.shape)
    cells = image[: height * size, : width * size].reshape(height, size, width, size)
    return cells.max((1, 3))


def resemblances(kernels: np.ndarray, layer: str) -> list[Resemblance]:
    """Return each kernel of a layer, (maps, channels, 3, 3), with the hand-made kernel nearest to
    it, best first.

    Kernels of several input channels are summed over channels, which is their effect on a grey
    picture. Raises UserError for kernels of another size.
    """
    if kernels.shape[2:] != (3, 3):
        size = " x ".join(map(str, kernels.shape[2:]))
        raise UserError(
            f"layer {layer!r} has kernels of {size}, hand-made ones have 3 x 3; accepted: a "
            "network whose first convolution has 3 x 3"
        )
    hand_made = [Kernel(name, np.array(weights, np.float64)) for name, weights in KERNELS.items()]
    pairs = [
        _nearest(number, Kernel(f"{layer} map {number}", weights), hand_made)
        for number, weights in enumerate(np.asarray(kernels, np.float64).sum(1))
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.correlation))


def different(pairs: Sequence[Resemblance], count: int) -> list[Resemblance]:
    """Return the first `count` pairs whose hand-made kernels differ in name or sign."""
    chosen = {(pair.hand_made.name, pair.correlation < 0): pair for pair in reversed(pairs)}
    return sorted(chosen.values(), key=lambda pair: -abs(pair.correlation))[:count]


def _nearest(number: int, learnt: Kernel, hand_made: Sequence[Kernel]) -> Resemblance:
    correlations = [_cosine(learnt.weights, kernel.weights) for kernel in hand_made]
    best = int(np.argmax(np.abs(correlations)))
    nearest_one = hand_made[best]
    if correlations[best] < 0:
        nearest_one = Kernel(f"minus {nearest_one.name}", -nearest_one.weights)
    return Resemblance(number, learnt, nearest_one, correlations[best])


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    lengths = math.sqrt(float((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / lengths if lengths else 0.0


def scaled_to(learnt: Kernel, hand_made: Kernel) -> Kernel:
    """Return the learnt kernel, scaled to the sum of magnitudes of the hand-made one, so that both
    fit 0 to 255.
    """
    magnitude = float(np.abs(learnt.weights).sum())
    factor = float(np.abs(hand_made.weights).sum()) / magnitude if magnitude else 1.0
    return Kernel(learnt.name, learnt.weights * factor)


def photograph_name(name: str) -> str:
    """Return the name of a photograph in files and titles."""
    return Path(name).stem
