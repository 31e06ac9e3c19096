"""One digit in one picture: from grey levels to MNIST's 28 x 28."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..idx import DataError
from .components import writing
from .ink import find_ink
from .page import cut_out_page
from .resample import shrink
from .strokes import BOX, SIZE, extent, in_detail, in_frame, with_width

_LONGEST = 1024  # pixels of the longest side that is worked on
_SMALLEST = 8  # pixels of a picture's shorter side
_LEAST = 0.03  # of the picture's longest side; what is smaller is grain


@dataclass(frozen=True)
class Digit:
    """`pixels` (28, 28), 0 to 255, light on dark."""

    pixels: np.ndarray


def is_mnist(grey: np.ndarray) -> bool:
    """Whether `grey` has MNIST's form already: a box of 20 pixels with its centre of mass in the middle of 28.

    All 70,000 images of MNIST have it: longest side 20 (19 in 16 of them), centre of mass at 13.48 to
    14.5, brightest pixel 254 or 255.
    """
    if grey.shape != (SIZE, SIZE) or grey.max() < 254:
        return False
    for axis in (0, 1):
        profile = grey.sum(axis=1 - axis)
        if not 13.45 <= (profile * np.arange(SIZE)).sum() / profile.sum() <= 14.5:
            return False
    spans = [np.flatnonzero(grey.any(axis=axis)) for axis in (0, 1)]
    return max(span[-1] - span[0] + 1 for span in spans) in (BOX - 1, BOX)


def read_digit(grey: np.ndarray) -> Digit:
    """Return the digit of a grey picture (H, W), 0 to 255; an image of MNIST comes back as it is.

    Raises DataError where the picture holds nothing but background, or is too small to hold a digit.
    """
    grey = np.asarray(grey, float)
    if is_mnist(grey):
        return Digit(grey)
    if min(grey.shape) < _SMALLEST:
        raise DataError(f"{grey.shape[1]} x {grey.shape[0]} pixels; accepted: at least {_SMALLEST} x {_SMALLEST}")
    ink = find_ink(cut_out_page(shrink(grey, _LONGEST)))
    kept = writing(ink.contrast >= ink.threshold, ink.contrast)
    if not kept.any() or max(extent(kept)) < max(_SMALLEST - 2, _LEAST * max(kept.shape)):
        raise DataError("nothing but background; accepted: a digit that differs from its border")
    return Digit(in_frame(with_width(in_detail(ink.contrast, kept, ink.threshold))))
