"""Figures of `predict`: a picture beside its 28 x 28 input and the class probabilities, or a page
with boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .canvas import GREY, REFERENCE, TRAINING, image_axes, new_figure, shown
from .evaluation import caption, draw_bars

if TYPE_CHECKING:
    from ..inside.maps import Answer

Box = tuple[float, float, float, float]


def reading(
    picture: np.ndarray,
    box: Box | None,
    answer: Answer,
    class_names: Sequence[str] | None = None,
    remark: str | None = None,
) -> Figure:
    """Draw a picture (H, W) with the `box` (top, left, bottom, right) that was read, its input, and
    bars.

    `remark` is a line below the caption.
    """
    classes = len(answer.probabilities)
    names = class_names or [str(number) for number in range(classes)]
    figure = new_figure(11, 3.2, "\n".join(filter(None, [caption(answer, names), remark])))
    left, middle, right = figure.subplots(1, 3, width_ratios=[2.7, 2.7, 5])
    _show(left, picture, "picture")
    if box is not None:
        _outline(left, box, REFERENCE)
    _show(middle, answer.pixels, f"input, {answer.pixels.shape[0]} x {answer.pixels.shape[1]}")
    draw_bars(right, answer, names)
    return figure


def page(
    picture: np.ndarray,
    boxes: Sequence[Box],
    texts: Sequence[str],
    known: Sequence[bool],
    title: str | None = None,
) -> Figure:
    """Draw a page (H, W) with a box and a text for each digit; unknown ones have another colour."""
    height, width = picture.shape[:2]
    scale = 10 / max(height, width)
    figure = new_figure(max(3.0, scale * width), max(2.0, scale * height + 0.5), title)
    axes = figure.subplots()
    _show(axes, picture, None)
    for box, text, sure in zip(boxes, texts, known, strict=True):
        colour = TRAINING if sure else REFERENCE
        _outline(axes, box, colour)
        axes.text(
            box[1], box[0], text, color=colour, ha="left", va="bottom", fontsize=11, weight="bold"
        )
    return figure


def _show(axes: Axes, pixels: np.ndarray, title: str | None) -> None:
    image_axes(axes).imshow(shown(pixels), cmap=GREY, vmin=0, vmax=1)
    if title:
        axes.set_title(title, fontsize=9)


def _outline(axes: Axes, box: Box, colour: str) -> None:
    top, left, bottom, right = box
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour)
    )
