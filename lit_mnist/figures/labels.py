"""Many short labels as one collection of outlines: texts are drawn one glyph at a time, which for a
page of images takes longer than everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.path import Path
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D

_EM = text_to_path.FONT_SCALE  # units of an outline for the size of the font
_LINE = 1.08 * _EM  # from one baseline to the next
_DESCENT = 0.22 * _EM


def add_labels(axes: Axes, labels: Sequence[str], places: np.ndarray, size: float) -> None:
    """Draw black labels of any number of lines, each with its lower left corner at one of `places`
    (n, 2), in data units; `size` is that of the font in points.
    """
    font = get_font(findfont(FontProperties()))
    font.set_size(_EM, text_to_path.DPI)
    glyphs: dict = {}
    drawn = [number for number, label in enumerate(labels) if label]
    outlines = PathCollection(
        [_outline(labels[number], font, glyphs) for number in drawn],
        offsets=places[drawn],
        offset_transform=axes.transData,
        facecolors="black",
        linewidths=0,
    )
    inches = cast(Figure, axes.get_figure(root=True)).dpi_scale_trans
    outlines.set_transform(Affine2D().scale(size / _EM / 72) + inches)
    outlines.set_in_layout(False)
    axes.add_collection(outlines, autolim=False)


def _outline(label: str, font: FT2Font, glyphs: dict) -> Path:
    """Return the outline of a label; `glyphs` holds those of single glyphs, to be shared."""
    lines = label.split("\n")
    vertices = [np.empty((0, 2))]
    codes = [np.empty(0, Path.code_type)]
    for number, line in enumerate(lines):
        baseline = _DESCENT + (len(lines) - 1 - number) * _LINE
        for name, x, y, _ in text_to_path.get_glyphs_with_font(font, line, glyphs)[0]:
            vertices.append(glyphs[name][0] + (x, baseline + y))
            codes.append(glyphs[name][1])
    return Path(np.concatenate(vertices), np.concatenate(codes))
