"""A mosaic looks as matplotlib's own image of the same pixels does, in PNG and in SVG."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lit_mnist.figures.canvas import new_figure, to_bytes, to_rgb
from lit_mnist.figures.mosaic import mosaic


def both() -> tuple[Figure, Figure]:
    """A mosaic of six images, and the same with an image of `imshow` instead."""
    images = np.random.default_rng(0).random((6, 14, 14))
    figures = new_figure(4, 3), new_figure(4, 3)
    for figure in figures:
        mosaic(figure.subplots(), images, 3, ["a"] * 6)
    (axes,) = figures[1].axes
    (sheet,) = axes.images
    axes.imshow(
        sheet.get_array(), interpolation="nearest", aspect="equal", extent=sheet.get_extent()
    )
    sheet.remove()
    return figures


def embedded(svg: bytes) -> np.ndarray:
    """The image inside an SVG."""
    (data,) = re.findall(rb'"data:image/png;base64,\s*([^"]+)"', svg)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of pixels, after cutting both to the smaller size."""
    rows, columns = np.minimum(one.shape[:2], other.shape[:2])
    return float(np.abs(one[:rows, :columns].astype(int) - other[:rows, :columns]).mean())


def test_looks_as_imshow_does() -> None:
    ours, plain = map(to_rgb, both())
    assert difference(ours, plain) < 10 < difference(ours[::-1], plain)


def test_is_upright_in_svgs() -> None:
    ours, plain = (embedded(to_bytes(figure, "svg")) for figure in both())
    assert difference(ours, plain) < 10 < difference(ours[::-1], plain)
