"""Figures of style transfer: content, style and result; intermediate pictures; losses; an
animation.
"""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from ..maximize.style import StyleTransfer
from .canvas import GREY, animated, grid_figure, new_figure, shown

_CELL = 2.6  # inches of a picture's width


def sheet(record: StyleTransfer) -> Figure:
    """Draw content, styles and result side by side."""
    images = [record.content, *record.styles, record.image]
    styles = ["style"] * len(record.styles)
    if len(styles) > 1:
        fractions = record.settings.style_fractions or [1.0] * len(styles)
        styles = [f"style, {fraction / sum(fractions):.2g}" for fraction in fractions]
    return _grid(images, ["content", *styles, "result"], 4)


def evolution(record: StyleTransfer, columns: int = 6) -> Figure:
    """Draw the intermediate pictures, each with its number of evaluations."""
    labels = [f"after {step}" for step in record.snapshot_steps]
    return _grid(list(record.snapshots), labels, columns, 1.5)


def _grid(images: list[np.ndarray], labels: list[str], columns: int, cell: float = _CELL) -> Figure:
    return grid_figure([_values(image) for image in images], columns, labels, cmap=GREY, cell=cell)


def _values(image: np.ndarray) -> np.ndarray:
    values = shown(image)
    return values[..., 0] if values.shape[2:] == (1,) else values


def curves(record: StyleTransfer) -> Figure:
    """Draw content loss and style loss (the weighted sum over layers) by evaluation, without their
    weights.
    """
    figure = new_figure(6, 3)
    axes = figure.subplots()
    steps = np.arange(1, len(record.losses) + 1)
    for column, name in ((1, "content"), (2, "style")):
        values = np.where(record.losses[:, column] > 0, record.losses[:, column], np.nan)
        axes.plot(steps, values, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("gradient evaluations")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def animation(record: StyleTransfer, format: str = "gif") -> bytes:
    """Return the intermediate pictures as a GIF or APNG."""
    frames = [np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in record.snapshots]
    return animated(frames, 200, format)


def picture(pixels: np.ndarray) -> bytes:
    """Return pixels, uint8 (H, W, 1) or (H, W, 3), as the content of a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
