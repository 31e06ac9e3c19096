"""The base of all figures: figures without pyplot, grids of images, colour scales, output as files
or pixels.

Nothing here changes global state: figures are `matplotlib.figure.Figure` objects drawn by Agg, so
they work in threads, without a display, and beside other plots of a notebook.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from ..errors import UserError, nearest
from ..files import expand, write_bytes

DPI = 100
FORMATS = ("png", "svg")
ANIMATIONS = ("gif", "apng")
_END = 1500  # milliseconds for which the last picture of an animation stays
SEQUENTIAL = "magma"  # the sources' choice for activations
SIGNED = "RdBu_r"  # blue below zero, white at zero, red above
GREY = "gray"
LINE = "#d8d8d8"  # the lines between the images of a grid
# green, red, blue as in the sources
TRAINING = "#2a9d2a"
VALIDATION = "#d62728"
REFERENCE = "#1f4fd8"
# as matplotlib documents it; its annotation lacks None
_NO_SOFTWARE = cast(dict[str, str], {"Software": None})
BAD = "#00a0a0"  # NaN and infinity: a colour that no scale here holds
# height of a label's line, width of the gap between images, in image widths
LINE_OF_TEXT = 0.15
GAP = 0.06


class FigureError(UserError):
    """A figure that cannot be drawn or written."""


def new_figure(width: float, height: float, title: str | None = None) -> Figure:
    """Return an empty figure of `width` x `height` inches (100 pixels each), with constrained
    layout.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def image_axes(axes: Axes) -> Axes:
    """Remove ticks and frame from `axes`, for images."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def whole_ticks(axis: Axis) -> None:
    """Put the ticks of `axis` at whole numbers only, for counts."""
    cast(MaxNLocator, axis.get_major_locator()).set_params(integer=True)


def colormap(name: str) -> Colormap:
    """Return a copy of the named colour map in which NaN and infinity stand out; raise
    FigureError.
    """
    if name not in colormaps:
        raise FigureError(
            f"colour map {name!r}: unknown; "
            f"{nearest(name, (SEQUENTIAL, 'viridis', SIGNED, GREY))}, "
            "and all others of matplotlib"
        )
    return colormaps[name].with_extremes(bad=BAD)


def shown(pixels: np.ndarray) -> np.ndarray:
    """Return pixels 0 to 255, (H, W) or (H, W, C), in 0 to 1 and in matplotlib's shape, (H, W) or
    (H, W, 3).
    """
    image = np.asarray(pixels, np.float64).clip(0, 255) / 255
    return image if image.ndim == 2 or image.shape[2] == 3 else image.mean(-1)


def kernel_colours(kernels: np.ndarray) -> np.ndarray:
    """Return kernels (n, rows, columns, 3) as colours in 0 to 1 on one scale, with zero in grey."""
    limit = signed_range(kernels)[1]
    return 0.5 + 0.5 * np.asarray(kernels, np.float64) / limit


def value_range(values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and largest finite value; widen the range where they are equal."""
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high > low:
        return low, high
    return (
        (low, low + 1) if low <= 0 else (0.0, low)
    )  # zeros come out dark, positive constants bright


def signed_range(values: np.ndarray) -> tuple[float, float]:
    """Return ``(-m, m)`` for the largest finite magnitude m, so that zero is the middle of the
    scale.
    """
    finite = np.abs(np.asarray(values, np.float64)[np.isfinite(values)])
    limit = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    return -limit, limit


def grid_size(
    count: int, columns: int, aspect: float = 1.0, cell: float = 1.0, lines: int = 1
) -> tuple[float, float]:
    """Return width and height in inches of a grid of images, `cell` wide and ``aspect * cell``
    high.

    Labels have `lines` lines.
    """
    rows = max(1, math.ceil(count / columns))
    return columns * (1 + GAP) * cell, rows * (aspect + GAP + lines * LINE_OF_TEXT) * cell


def grid_figure(
    images: Sequence[np.ndarray] | np.ndarray,
    columns: int = 8,
    labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    signed: bool = False,
    cmap: str | None = None,
    title: str | None = None,
    cell: float = 1.0,
    colour_bar: bool = True,
) -> Figure:
    """Return a figure with an `image_grid`, in its size, and a colour bar where the scale is
    shared.
    """
    columns = min(columns, max(1, len(images)))
    lines = max((label.count("\n") + 1 for label in labels or ()), default=0)
    aspect = max((image.shape[0] / image.shape[1] for image in images), default=1.0)
    width, height = grid_size(len(images), columns, aspect, cell, lines)
    bar = 0.9 if limits and colour_bar else 0.0
    header = 0.2 + 0.2 * (title.count("\n") + 1 if title else 0)
    figure = new_figure(max(width + bar, 3.0) + 0.1, height + header, title)
    axes = figure.subplots()
    drawn = image_grid(axes, images, columns, labels, limits, signed, cmap)
    if bar:
        figure.colorbar(
            drawn[-1], ax=axes, fraction=0.15, shrink=min(1.0, 4.0 / height), aspect=20, pad=0.01
        )
    return figure


def image_grid(
    axes: Axes,
    images: Sequence[np.ndarray] | np.ndarray,
    columns: int = 8,
    labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    signed: bool = False,
    cmap: str | None = None,
) -> list[AxesImage]:
    """Draw images, each (H, W), or (H, W, 3) in 0 to 1, in rows of `columns`, with labels above.

    `limits` is one colour scale for all; without it, every image has a scale of its own. `signed`
    centres scales on zero. Images may differ in size: each is one unit wide. Returns the artists,
    whose `get_extent` gives (left, right, bottom, top).
    """
    if len(images) == 0:
        raise FigureError("no image to draw; accepted: at least one")
    colours = colormap(cmap or (SIGNED if signed else SEQUENTIAL))
    aspect = max(image.shape[0] / image.shape[1] for image in images)
    strip = LINE_OF_TEXT * max((label.count("\n") + 1 for label in labels or ()), default=0)
    drawn = []
    for number, image in enumerate(images):
        left = (number % columns) * (1 + GAP)
        top = (number // columns) * (aspect + GAP + strip) + strip
        norm = Normalize(*(limits or (signed_range if signed else value_range)(image)))
        values = image if image.ndim == 3 else np.ma.masked_invalid(np.asarray(image, np.float64))
        drawn.append(
            axes.imshow(
                values,
                cmap=colours,
                norm=norm,
                interpolation="nearest",
                aspect="auto",
                extent=(left, left + 1, top + image.shape[0] / image.shape[1], top),
            )
        )
        if labels is not None:
            axes.text(
                left + 0.02, top - 0.02, labels[number], fontsize=7, linespacing=1.1, va="bottom"
            )
    frame_grid(axes, len(images), columns, aspect, strip)
    return drawn


def frame_grid(axes: Axes, count: int, columns: int, aspect: float, strip: float) -> None:
    """Set the limits of the grid, and draw the lines between its rows and columns."""
    rows = math.ceil(count / columns)
    height = aspect + GAP + strip
    image_axes(axes)
    axes.set_xlim(-GAP, columns * (1 + GAP))
    axes.set_ylim(rows * height, -GAP)
    axes.set_aspect("equal")
    between_rows = [row * height - GAP / 2 for row in range(1, rows)]
    between_columns = [column * (1 + GAP) - GAP / 2 for column in range(1, columns)]
    axes.hlines(between_rows, 0, columns * (1 + GAP) - GAP, LINE, linewidth=0.8)
    axes.vlines(between_columns, 0, rows * height - GAP, LINE, linewidth=0.8)


def animated(frames: Sequence[np.ndarray], milliseconds: int, format: str = "gif") -> bytes:
    """Return frames, uint8 (H, W, 3), as a repeating GIF or APNG; the last one stays longer."""
    from PIL import Image

    if format not in ANIMATIONS:
        raise FigureError(f"animation {format!r}: unknown; {nearest(format, ANIMATIONS)}")
    first, *others = map(Image.fromarray, frames)
    buffer = io.BytesIO()
    first.save(
        buffer,
        "PNG" if format == "apng" else "GIF",
        save_all=True,
        append_images=others,
        duration=[milliseconds] * len(others) + [_END],
        loop=0,
    )
    return buffer.getvalue()


def to_rgb(figure: Figure) -> np.ndarray:
    """Return the figure's pixels, uint8 (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def to_bytes(figure: Figure, format: str = "png") -> bytes:
    """Return the figure as the content of a PNG or SVG file; equal figures give equal bytes."""
    if format not in FORMATS:
        raise FigureError(f"picture format {format!r}: unknown; {nearest(format, FORMATS)}")
    if format == "png":
        return _png(figure)
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "lit_mnist"}):
        figure.savefig(buffer, format=format, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    """Return what ``savefig`` writes, to the byte, but draw the figure once.

    ``savefig`` draws a figure with a layout engine twice, the first time only to run the engine,
    which drawing runs too.
    """
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata=_NO_SOFTWARE)
    return buffer.getvalue()


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as PNG or SVG, by the suffix of `path`, completely or not at all; return the
    path.
    """
    path = expand(path)
    return write_bytes(path, to_bytes(figure, path.suffix.lower().removeprefix(".")))
