"""One digit, or all digits, of one picture: from grey levels to MNIST's 28 x 28."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..idx import DataError
from .components import digits_of_page, writing
from .ink import Ink, find_ink
from .page import cut_out_page
from .resample import shrink
from .strokes import BOX, SIZE, Strokes, cropped, extent, in_detail, in_frame, measure, with_width

_LONGEST = 1024  # pixels of the longest side after reduction, for one digit
_LONGEST_PAGE = 2048  # the same for a page of digits
_SMALLEST = 8  # pixels of a picture's shorter side
_LEAST = 0.03  # of the picture's longest side; smaller marks are noise


@dataclass(frozen=True)
class Digit:
    """`pixels` (28, 28), 0 to 255, light on dark; `box` (top, left, bottom, right) in the picture.

    `strokes` describes the writing before its width was changed.
    """

    pixels: np.ndarray
    box: tuple[float, float, float, float]
    strokes: Strokes


def is_mnist(grey: np.ndarray) -> bool:
    """Return whether `grey` has MNIST's form: a box of 20 pixels, centred by mass in 28.

    All 70,000 images of MNIST have it: longest side 20 (19 in 16 of them), centre of mass at 13.48
    to 14.5, brightest pixel 254 or 255.
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
    """Return the digit of a grey picture (H, W), 0 to 255; an image of MNIST keeps its pixels.

    Raises DataError if there is only background, or the picture is too small for a digit.
    """
    grey = np.asarray(grey, float)
    if is_mnist(grey):  # recognised by its form, and measured unchanged
        digit = _digit(Ink(grey, 127.5, 0.0), grey > 0, (0, 0, 1))
        return Digit(grey, digit.box, digit.strokes)
    ink, place = _ink_on_page(grey, _LONGEST)
    kept = writing(ink.contrast >= ink.threshold, ink.contrast)
    if not kept.any() or max(extent(kept)) < max(_SMALLEST - 2, _LEAST * max(kept.shape)):
        raise DataError("nothing but background; accepted: a digit that differs from its border")
    inked = np.where(ink.contrast >= ink.threshold, ink.contrast, 0)
    return _digit(ink, kept, place, 1 - float(inked[kept].sum() / inked.sum()))


def read_digits(grey: np.ndarray) -> list[list[Digit]]:
    """Return all digits of a grey picture (H, W), line by line from the top, left to right.

    Digits must not touch each other. Raises DataError as `read_digit`.
    """
    ink, place = _ink_on_page(grey, _LONGEST_PAGE)
    lines = digits_of_page(ink.contrast >= ink.threshold, ink.contrast)
    if not lines:
        raise DataError("nothing but background; accepted: digits that differ from their border")
    return [[_digit(ink, mask, place) for mask in line] for line in lines]


def _ink_on_page(grey: np.ndarray, longest: int) -> tuple[Ink, tuple[float, float, float]]:
    """Return the sheet's ink, its top and left in pixels of the working size, and their scale."""
    grey = np.asarray(grey, float)
    if min(grey.shape) < _SMALLEST:
        raise DataError(
            f"{grey.shape[1]} x {grey.shape[0]} pixels; accepted: at least {_SMALLEST} x "
            f"{_SMALLEST}"
        )
    small = shrink(grey, longest)
    page, (top, left) = cut_out_page(small)
    return find_ink(page), (top, left, max(grey.shape) / max(small.shape))


def _digit(
    ink: Ink, kept: np.ndarray, place: tuple[float, float, float], dropped: float = 0.0
) -> Digit:
    rows, columns = cropped(kept)
    top, left, scale = place
    box = (
        scale * float(rows.start + top),
        scale * float(columns.start + left),
        scale * float(rows.stop + top),
        scale * float(columns.stop + left),
    )
    touches = bool(kept[[0, -1]].any() or kept[:, [0, -1]].any())
    around = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in (rows, columns))
    contrast = ink.contrast[around]
    kept = kept[around]
    mask = in_detail(contrast, kept, ink.threshold)
    strokes = measure(mask, contrast, touches, dropped)
    return Digit(in_frame(with_width(mask)), box, strokes)
