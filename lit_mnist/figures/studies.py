"""Figures of studies: curves, heat maps, parallel coordinates, importances, kernels on photographs,
clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from ..studies.clusters import Clustering
from ..studies.kernels import Filtered, Resemblance
from .canvas import (
    GREY,
    REFERENCE,
    SIGNED,
    VALIDATION,
    colormap,
    grid_figure,
    image_axes,
    new_figure,
    shown,
    signed_range,
)

_MAP = "viridis"
Rows = Sequence[Mapping[str, Any]]


def pictures(result: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the figures of a study by file name; none if no trial has finished."""
    rows = [row for row in result["trials"] if row["state"] == "complete"]
    names = list(result["settings"])
    if not rows:
        return {}
    objective = result["objective"]
    if len(names) == 1:
        drawn = {"curve.png": curve(rows, names[0], objective)}
    elif len(names) == 2:
        drawn = {"heat_map.png": heat_map(rows, names[0], names[1], objective)}
    else:
        drawn = {"parallel.png": parallel(rows, names, objective)}
    if result["importances"]:
        drawn["importances.png"] = importances(result["importances"])
    if len({row["parameters"] for row in rows}) > 1:
        drawn["cost.png"] = cost(rows, objective)
    return drawn


def curve(rows: Rows, name: str, objective: str) -> Figure:
    """Draw the objective by one setting: seeds as dots, the mean as a line, +-1 deviation as a
    band.
    """
    figure = new_figure(7, 4)
    axes = figure.subplots()
    positions, ticks = _positions([row["values"][name] for row in rows])
    order = np.argsort(positions)
    positions = positions[order]
    rows = [rows[number] for number in order]
    for position, row in zip(positions, rows, strict=True):
        values = [value for value in row["by_seed"] if value is not None]
        axes.plot([position] * len(values), values, "o", color=REFERENCE, markersize=4, alpha=0.5)
    means = np.array([row["mean"] for row in rows])
    deviations = np.array([row["deviation"] or 0.0 for row in rows])
    axes.plot(positions, means, color=REFERENCE, linewidth=2, marker="_", markersize=14)
    axes.fill_between(
        positions, means - deviations, means + deviations, color=REFERENCE, alpha=0.12
    )
    axes.set(xlabel=short(name), ylabel=objective)
    _set_scale(axes, positions, ticks, [row["values"][name] for row in rows])
    n = max(len(row["by_seed"]) for row in rows)
    axes.set_title(f"mean and seeds, n = {n}", fontsize=9)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(alpha=0.3)
    return figure


def heat_map(rows: Rows, first: str, second: str, objective: str) -> Figure:
    """Draw the objective over two settings: as cells where both have few values, else as dots."""
    columns = _distinct([row["values"][first] for row in rows])
    lines = _distinct([row["values"][second] for row in rows])
    if len(columns) * len(lines) > 4 * len(rows):
        return _scattered(rows, first, second, objective)
    values = np.full((len(lines), len(columns)), np.nan)
    for row in rows:
        cell = lines.index(row["values"][second]), columns.index(row["values"][first])
        values[cell] = row["mean"]
    figure = new_figure(2 + 0.9 * len(columns), 1.6 + 0.6 * len(lines))
    axes = figure.subplots()
    image = axes.imshow(values, cmap=colormap(_MAP), aspect="auto")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (y, x), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value < middle else "black"
            axes.text(x, y, f"{value:.4f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns)), [_label(value) for value in columns])
    axes.set_yticks(range(len(lines)), [_label(value) for value in lines])
    axes.set(xlabel=short(first), ylabel=short(second))
    figure.colorbar(image, label=f"{objective}, mean")
    return figure


def parallel(rows: Rows, names: Sequence[str], objective: str) -> Figure:
    """Draw each trial as a line through the axes of all settings and the objective, coloured by the
    latter.
    """
    figure = new_figure(2 + 1.6 * (len(names) + 1), 4.2)
    axes = figure.subplots()
    means = np.array([row["mean"] for row in rows])
    scale = Normalize(means.min(), means.max())
    heights = []
    for column, name in enumerate([*names, objective]):
        values = list(means) if name == objective else [row["values"][name] for row in rows]
        positions, ticks = _positions(values)
        low, high = float(positions.min()), float(positions.max())
        spread = (high - low) or 1.0
        heights.append((positions - low) / spread)
        marks = ticks or {low: _label(low), high: _label(high)}
        for position, label in marks.items():
            axes.text(column + 0.03, (position - low) / spread, label, fontsize=7, va="center")
        axes.axvline(column, color="#c0c0c0", linewidth=1, zorder=0)
    for number, line in sorted(enumerate(np.array(heights).T), key=lambda each: means[each[0]]):
        axes.plot(line, color=colormap(_MAP)(scale(means[number])), linewidth=1.4, alpha=0.8)
    axes.set_xticks(range(len(names) + 1), [*map(short, names), objective])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return figure


def importances(fractions: Mapping[str, float]) -> Figure:
    """Draw the fraction of the objective's variance that each setting explains."""
    figure = new_figure(6, 1.2 + 0.4 * len(fractions))
    axes = figure.subplots()
    names = sorted(fractions, key=lambda name: fractions[name])
    axes.barh([*map(short, names)], [fractions[name] for name in names], color=REFERENCE)
    axes.set(xlabel="fraction of the variance (fANOVA)", xlim=(0, 1))
    return figure


def cost(rows: Rows, objective: str) -> Figure:
    """Draw the objective against parameters and against seconds of training."""
    figure = new_figure(9, 4)
    for axes, key in zip(figure.subplots(1, 2), ("parameters", "train_seconds"), strict=True):
        measured = [row for row in rows if row[key] is not None]
        axes.errorbar(
            [row[key] for row in measured],
            [row["mean"] for row in measured],
            yerr=[row["deviation"] or 0.0 for row in measured],
            fmt="o",
            color=VALIDATION,
            capsize=3,
        )
        axes.set(xlabel=key.replace("_", " "), ylabel=objective, xscale="log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    return figure


def short(name: str) -> str:
    """Return the last word of a dotted key: momentum for ``model.optimizer.init_args.momentum``."""
    layer = name.removeprefix("model.network.layers.")
    return layer if layer != name else name.rpartition(".")[2]


def _scattered(rows: Rows, first: str, second: str, objective: str) -> Figure:
    figure = new_figure(6.5, 4.5)
    axes = figure.subplots()
    columns = [row["values"][first] for row in rows]
    lines = [row["values"][second] for row in rows]
    x, ticks = _positions(columns)
    y, marks = _positions(lines)
    dots = axes.scatter(x, y, c=[row["mean"] for row in rows], cmap=colormap(_MAP), s=60)
    _set_scale(axes, x, ticks, columns)
    if marks:
        axes.set_yticks(list(marks), list(marks.values()))
    elif _is_logarithmic(lines):
        axes.set_yscale("log")
    axes.set(xlabel=short(first), ylabel=short(second))
    figure.colorbar(dots, label=f"{objective}, mean")
    return figure


def _positions(values: Sequence[Any]) -> tuple[np.ndarray, dict[float, str]]:
    """Return the positions of values on an axis, and the labels of those that are not numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.asarray(values, np.float64), {}
    distinct = _distinct(values)
    positions = np.array([distinct.index(value) for value in values], np.float64)
    return positions, {float(number): _label(value) for number, value in enumerate(distinct)}


def _distinct(values: Sequence[Any]) -> list[Any]:
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(value, int | float) for value in distinct)
    return sorted(distinct) if numbers else distinct


def _set_scale(
    axes: Axes, positions: np.ndarray, ticks: Mapping[float, str], values: Sequence[Any]
) -> None:
    if ticks:
        axes.set_xticks(list(ticks), list(ticks.values()))
        return
    if _is_logarithmic(values):
        axes.set_xscale("log")
    if len(positions) <= 12:
        axes.set_xticks(positions, [_label(value) for value in values])
        axes.minorticks_off()


def _is_logarithmic(values: Sequence[Any]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= 20


def _label(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def filtered(grey: np.ndarray | None, results: Sequence[Filtered]) -> Figure:
    """Draw a photograph and, for each kernel, its weights, its output and the max-pooled output.

    The axes are numbered, so that one sees how pooling reduces the size.
    """
    height, width = results[0].response.shape
    aspect = height / width
    figure = new_figure(11.5, (len(results) + (grey is not None)) * (3.9 * aspect + 0.45) + 0.2)
    rows = len(results) + (grey is not None)
    axes = figure.subplots(rows, 3, width_ratios=(0.45, 1, 1), squeeze=False)
    if grey is not None:
        for panel in axes[0]:
            panel.set_axis_off()
        _photograph(axes[0, 1], grey, "photograph")
    for line, each in zip(axes[rows - len(results) :], results, strict=True):
        _kernel(line[0], each.kernel.weights, each.kernel.name)
        _photograph(line[1], each.response, f"{each.kernel.name}, clipped to 0..255")
        _photograph(line[2], each.pooled, "max-pooled")
    return figure


def resembling(
    pairs: Sequence[tuple[Resemblance, Filtered, Filtered]], title: str | None = None
) -> Figure:
    """Draw learnt kernels beside the hand-made ones that they resemble, and a photograph after
    both.
    """
    height, width = pairs[0][1].response.shape
    figure = new_figure(13, len(pairs) * (4.0 * height / width + 0.45) + 0.5, title)
    axes = figure.subplots(len(pairs), 4, width_ratios=(0.4, 1, 0.4, 1), squeeze=False)
    for line, (pair, learnt, hand_made) in zip(axes, pairs, strict=True):
        _kernel(line[0], pair.learnt.weights, f"map {pair.map}")
        _photograph(line[1], learnt.response, f"after {pair.learnt.name}, scaled")
        _kernel(line[2], hand_made.kernel.weights, hand_made.kernel.name)
        name = f"after {hand_made.kernel.name}: correlation {pair.correlation:.2f}"
        _photograph(line[3], hand_made.response, name)
    return figure


def _kernel(axes: Axes, weights: np.ndarray, name: str) -> None:
    low, high = signed_range(weights)
    axes.imshow(weights, cmap=colormap(SIGNED), vmin=low, vmax=high)
    for (y, x), value in np.ndenumerate(weights):
        dark = abs(value) > 0.7 * high
        colour = "white" if dark else "black"
        axes.text(x, y, f"{value + 0.0:.2g}", ha="center", va="center", fontsize=8, color=colour)
    image_axes(axes).set_title(name if len(name) < 16 else "kernel", fontsize=9)


def _photograph(axes: Axes, image: np.ndarray, name: str) -> None:
    axes.imshow(image, cmap=GREY, vmin=0, vmax=255)
    axes.tick_params(labelsize=7)
    axes.set_title(f"{name}, {image.shape[1]} x {image.shape[0]}", fontsize=9)


def cluster_curves(records: Sequence[Clustering], title: str | None = None) -> Figure:
    """Draw time, inertia and silhouette by the number of clusters."""
    figure = new_figure(11, 3.4, title)
    numbers = [record.k for record in records]
    for axes, key in zip(figure.subplots(1, 3), ("seconds", "inertia", "silhouette"), strict=True):
        axes.plot(numbers, [getattr(record, key) for record in records], "o-", color=REFERENCE)
        axes.set(xlabel="clusters K", ylabel="processor seconds" if key == "seconds" else key)
        axes.grid(alpha=0.3)
    return figure


def centres(pictures: np.ndarray, columns: int = 10) -> Figure:
    """Draw the centres (k, H, W) or (k, H, W, C) of clusters, pixels 0 to 255, numbered."""
    labels = [str(number) for number in range(len(pictures))]
    images = [shown(picture) for picture in pictures]
    return grid_figure(images, columns, labels, (0.0, 1.0), cmap=GREY, colour_bar=False)
