"""Figures of activation statistics of maps over a data set, and of silent maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..inside.statistics import ACTIVE, ON_DATA, ON_NOISE, UNREACHABLE, LayerStatistics, Silence
from .canvas import new_figure

_NOT_RAISED = "not raised"
_COLOURS = {
    ACTIVE: "#7a8fb8",
    ON_NOISE: "#e0b040",
    ON_DATA: "#e07020",
    _NOT_RAISED: "#c01818",
    UNREACHABLE: "#000000",
}


def activation_statistics(
    statistics: Sequence[LayerStatistics], silence: Sequence[Silence], seed: int | None = None
) -> Figure:
    """Draw mean, range and fraction of zeros by map or unit for each layer; silent maps are
    marked.
    """
    rows = len(statistics)
    title = f"{statistics[0].images:,} images, {silence[0].attempts:,} random inputs" + (
        "" if seed is None else f", network of seed {seed}"
    )
    figure = new_figure(13, 1.7 * rows + 0.9, title)
    grid = figure.subplots(rows, 3, squeeze=False)
    for axes, layer, quiet in zip(grid, statistics, silence, strict=True):
        colours = [_COLOURS[_kind(quiet.state(number))] for number in range(len(layer.mean))]
        _bars(axes[0], 0 * layer.mean, layer.mean, colours, f"{layer.layer}: mean")
        _bars(axes[1], layer.minimum, layer.maximum, colours, f"{layer.layer}: minimum to maximum")
        silent = sum(colour != _COLOURS[ACTIVE] for colour in colours)
        _bars(
            axes[2],
            0 * layer.zeros,
            layer.zeros,
            colours,
            f"{layer.layer}: fraction of zeros, {layer.zeros.mean():.1%} on average; {silent} not "
            "active",
        )
        axes[2].set_ylim(0, 1.02)
    figure.legend(
        [Patch(color=colour) for colour in _COLOURS.values()],
        list(_COLOURS),
        loc="outside lower center",
        ncols=len(_COLOURS),
        fontsize=8,
    )
    return figure


def _kind(state: str) -> str:
    return state if state in _COLOURS else _NOT_RAISED


def _bars(
    axes: Axes, low: np.ndarray, high: np.ndarray, colours: Sequence[str], title: str
) -> None:
    width = float(np.clip(250 / len(low), 0.4, 10))
    axes.vlines(np.arange(len(low)), low, high, color=colours, linewidth=width)
    axes.set_title(title, fontsize=8)
    axes.set_xlim(-0.7, len(low) - 0.3)
    axes.tick_params(labelsize=7)
