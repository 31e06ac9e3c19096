"""Figures of activation statistics of maps over a data set, and of silent maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

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


_TITLE = 68  # characters that fit above a plot
_BY_MAP = 16  # layers of a page with a bar for each map
_BY_LAYER = 75  # layers of a page with a bar for each layer


def pages(
    statistics: Sequence[LayerStatistics], silence: Sequence[Silence], seed: int | None = None
) -> Iterator[Figure]:
    """Draw all layers; of more than 16 first overviews of up to 75, then every map of 16 a page."""
    layers = list(zip(statistics, silence, strict=True))
    title = _title(statistics[0], silence[0], seed)
    if len(layers) <= _BY_MAP:
        yield activation_statistics(statistics, silence, seed)
        return
    for draw, size in ((_overview, _BY_LAYER), (_by_map, _BY_MAP)):
        for first in range(0, len(layers), size):
            page = layers[first : first + size]
            place = f"layers {first + 1} to {first + len(page)} of {len(layers)}"
            yield draw(page, f"{title}; {place}")


def _title(statistics: LayerStatistics, silence: Silence, seed: int | None) -> str:
    network = "" if seed is None else f", network of seed {seed}"
    return f"{statistics.images:,} images, {silence.attempts:,} random inputs{network}"


def activation_statistics(
    statistics: Sequence[LayerStatistics], silence: Sequence[Silence], seed: int | None = None
) -> Figure:
    """Draw mean, range and fraction of zeros by map or unit for each layer; silent maps are
    marked.
    """
    layers = list(zip(statistics, silence, strict=True))
    return _by_map(layers, _title(statistics[0], silence[0], seed))


def _overview(layers: Sequence[tuple[LayerStatistics, Silence]], title: str) -> Figure:
    """Draw one row for each layer: all its maps' means, range, zeros and states."""
    figure = new_figure(13, 0.17 * len(layers) + 1.4, title)
    axes = figure.subplots(1, 4, sharey=True)
    y = np.arange(len(layers))
    records = [statistics for statistics, _ in layers]
    means = np.array([record.mean.mean() for record in records])
    axes[0].hlines(
        y,
        [record.mean.min() for record in records],
        [record.mean.max() for record in records],
        color=_COLOURS[ACTIVE],
        linewidth=5,
    )
    axes[0].plot(means, y, "|", color="black")
    axes[1].hlines(
        y,
        [record.minimum.min() for record in records],
        [record.maximum.max() for record in records],
        color=_COLOURS[ACTIVE],
        linewidth=5,
    )
    axes[2].barh(y, [record.zeros.mean() for record in records], 0.7, color=_COLOURS[ACTIVE])
    _states(axes[3], [quiet for _, quiet in layers])
    for axis, text in zip(
        axes,
        ("means of maps, and their mean", "minimum to maximum", "zeros", "maps by state"),
        strict=True,
    ):
        axis.set_title(text, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(axis="x", linewidth=0.3)
    for axis in axes[2:]:
        axis.set_xlim(0, 1)
        axis.xaxis.set_major_formatter(PercentFormatter(1))
    axes[0].set_yticks(y, [record.layer for record in records])
    axes[0].set_ylim(len(layers) - 0.5, -0.5)
    _legend(figure)
    return figure


def _states(axes: Axes, silence: Sequence[Silence]) -> None:
    """Draw the fraction of each layer's maps in each state, side by side."""
    kinds = [
        Counter(_kind(quiet.state(number)) for number in range(len(quiet.data)))
        for quiet in silence
    ]
    left = np.zeros(len(silence))
    for kind, colour in _COLOURS.items():
        fractions = np.array([count[kind] / count.total() for count in kinds])
        axes.barh(np.arange(len(silence)), fractions, 0.7, left, color=colour)
        left += fractions


def _by_map(layers: Sequence[tuple[LayerStatistics, Silence]], title: str) -> Figure:
    """Draw a row of three plots for each layer, with a bar for each map or unit."""
    figure = new_figure(13, 1.7 * len(layers) + 0.9, title)
    grid = figure.subplots(len(layers), 3, squeeze=False)
    for axes, (layer, quiet) in zip(grid, layers, strict=True):
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
    _legend(figure)
    return figure


def _legend(figure: Figure) -> None:
    figure.legend(
        [Patch(color=colour) for colour in _COLOURS.values()],
        list(_COLOURS),
        loc="outside lower center",
        ncols=len(_COLOURS),
        fontsize=8,
    )


def _kind(state: str) -> str:
    return state if state in _COLOURS else _NOT_RAISED


def _bars(
    axes: Axes, low: np.ndarray, high: np.ndarray, colours: Sequence[str], title: str
) -> None:
    width = float(np.clip(250 / len(low), 0.4, 10))
    axes.vlines(np.arange(len(low)), low, high, color=colours, linewidth=width)
    axes.set_title(title, fontsize=min(8, 8 * _TITLE / len(title)))
    axes.set_xlim(-0.7, len(low) - 0.3)
    axes.tick_params(labelsize=7)
