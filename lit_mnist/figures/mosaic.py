"""A grid of many labelled images, drawn as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb as colours_of
from matplotlib.image import AxesImage
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

from .canvas import BAD, GAP, LINE_OF_TEXT, frame_grid
from .labels import add_labels

_UNIT = 50  # pixels of a mosaic for the width of one image


def mosaic(
    axes: Axes, images: Sequence[np.ndarray] | np.ndarray, columns: int, labels: Sequence[str]
) -> list[tuple[float, float, float, float]]:
    """Draw many images in 0 to 1, (H, W) or (H, W, 3), as one picture, ten times faster than
    `image_grid`.

    Images are one unit wide and enlarged to the same size. Returns the extent of each: left, right,
    bottom, top.
    """
    aspect = max(image.shape[0] / image.shape[1] for image in images)
    strip = LINE_OF_TEXT * max(label.count("\n") + 1 for label in labels)
    step = round((aspect + GAP + strip) * _UNIT), round((1 + GAP) * _UNIT)
    sheet = np.full(
        (math.ceil(len(images) / columns) * step[0], columns * step[1], 3), 255, np.uint8
    )
    extents = []
    for number, image in enumerate(images):
        top = number // columns * step[0] + round(strip * _UNIT)
        left = number % columns * step[1]
        height = round(_UNIT * image.shape[0] / image.shape[1])
        sheet[top : top + height, left : left + _UNIT] = _resized(image, height)
        extents.append((left / _UNIT, left / _UNIT + 1, (top + height) / _UNIT, top / _UNIT))
    corners = [(left + 0.02, top - 0.02) for left, _, _, top in extents]
    add_labels(axes, labels, np.array(corners), 7)
    axes.add_image(_Sheet(axes, sheet))
    frame_grid(axes, len(images), columns, aspect, strip)
    return extents


def _resized(image: np.ndarray, height: int) -> np.ndarray:
    """Return the image as RGB bytes (height, _UNIT, 3), each pixel a rectangle, with a colour for
    NaN.
    """
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(_UNIT) * image.shape[1] // _UNIT
    colours = image if image.ndim == 3 else image[..., None].repeat(3, 2)
    bad = np.any(~np.isfinite(colours), axis=2)
    levels = (np.where(bad[..., None], 0, colours).clip(0, 1) * 255).round().astype(np.uint8)
    levels[bad] = (np.array(colours_of(BAD)) * 255).round()
    return levels[rows[:, None], columns]


class _Sheet(AxesImage):
    """An image of RGB bytes, each pixel a rectangle, as `imshow` draws it by ``nearest``, but
    without its conversions to floating point, which take a third of a page's time.
    """

    def __init__(self, axes: Axes, sheet: np.ndarray) -> None:
        height, width = sheet.shape[:2]
        super().__init__(axes, extent=(0, width / _UNIT, height / _UNIT, 0))
        self.set_data(sheet)
        alpha = np.full((height, width, 1), 255, np.uint8)
        self.colours = np.concatenate([sheet, alpha], 2).view(np.uint32)[..., 0]  # one number each

    def make_image(
        self, renderer: Any, magnification: float = 1.0, unsampled: bool = False
    ) -> tuple[np.ndarray, float, float, Affine2D]:
        """Return the renderer's pixels that the image covers, (rows from below, columns, 4), and
        where.
        """
        height, width = self.colours.shape
        box = TransformedBbox(Bbox([(0, 0), (width / _UNIT, height / _UNIT)]), self.axes.transData)
        corners = np.array([box.min, box.max]) * magnification
        (x0, y0), (x1, y1) = np.round(corners).astype(int)
        rows = (np.arange(y1 - y0) + 0.5) * height // (y1 - y0)
        columns = (np.arange(x1 - x0) + 0.5) * width // (x1 - x0)
        enlarged = self.colours.take(rows.astype(int)[::-1], 0).take(columns.astype(int), 1)
        image = enlarged.view(np.uint8).reshape(*enlarged.shape, 4)
        return image, x0 / magnification, y0 / magnification, Affine2D()
