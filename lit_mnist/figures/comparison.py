"""Figures that compare two frameworks: loss curves, accuracies, differences beside the margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import REFERENCE, VALIDATION, new_figure, whole_ticks

COLOURS = ("#d97800", REFERENCE, "#7a7a7a")  # ours, Keras, Keras as control
_STYLES: tuple[dict[str, Any], ...] = (
    {"linewidth": 4},
    {"linewidth": 2, "linestyle": "--"},
    {"linewidth": 2, "linestyle": ":"},
)  # curves may coincide
Curves = Mapping[str, Sequence[Sequence[float]]]


def curves(
    groups: Curves, name: str, logarithmic: bool = False, title: str | None = None
) -> Figure:
    """Draw a thin line for each run and a thick line for each group's median.

    `groups` holds (runs, epochs) by name. Runs that a callback ends early are shorter.
    """
    figure = new_figure(8, 4, title)
    axes = figure.subplots()
    for (group, runs), colour, style in zip(groups.items(), COLOURS, _STYLES, strict=False):
        values = _padded(runs)
        epochs = np.arange(1, values.shape[1] + 1)
        mark = "o" if len(epochs) < 2 else None  # a single point needs a marker
        axes.plot(
            epochs, values.T, color=colour, linewidth=0.7, alpha=0.35, marker=mark, markersize=3
        )
        axes.plot(
            epochs,
            np.nanmedian(values, 0),
            color=colour,
            marker=mark,
            **style,
            label=f"{group} (median of {len(values)})",
        )
    axes.set(xlabel="epoch", ylabel=name, yscale="log" if logarithmic else "linear")
    whole_ticks(axes.xaxis)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def accuracy_distributions(
    groups: Mapping[str, Sequence[float]], title: str | None = None
) -> Figure:
    """Draw the accuracy (percent) of runs as dots, of groups as mean (line) and standard deviation
    (band).
    """
    figure = new_figure(8, 0.8 * len(groups) + 1.2, title)
    axes = figure.subplots()
    for row, ((_, values), colour) in enumerate(zip(groups.items(), COLOURS, strict=False)):
        mean = np.mean(values)
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
        axes.fill_between(
            [mean - deviation, mean + deviation],
            row - 0.3,
            row + 0.3,
            color=colour,
            alpha=0.15,
            lw=0,
        )
        axes.vlines(mean, row - 0.3, row + 0.3, color=colour, linewidth=2)
        offsets = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else [0.0]
        axes.plot(values, row + np.asarray(offsets), "o", color=colour, markersize=5, alpha=0.7)
    axes.set_yticks(
        range(len(groups)), [f"{name}\nn = {len(values)}" for name, values in groups.items()]
    )
    axes.set(xlabel="test accuracy, %", ylim=(len(groups) - 0.5, -0.5))
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.grid(axis="x", alpha=0.3)
    return figure


def intervals(
    differences: Mapping[str, tuple[float, float, float]], margin: float, title: str | None = None
) -> Figure:
    """Draw differences of means and the margin, both in percentage points of accuracy.

    `differences` holds (low, difference, high) by name. An interval between the dashed lines shows
    equivalence.
    """
    figure = new_figure(8, 0.7 * len(differences) + 1.2, title)
    axes = figure.subplots()
    for row, (low, middle, high) in enumerate(differences.values()):
        axes.plot([low, high], [row, row], color="black", linewidth=2)
        axes.plot(middle, row, "o", color="black")
    for bound in (-margin, margin):
        axes.axvline(bound, color=VALIDATION, linestyle="--", linewidth=1)
    axes.axvline(0, color="#b0b0b0", linewidth=1)
    axes.set_yticks(range(len(differences)), list(differences))
    axes.set(
        xlabel="difference of mean test accuracy, percentage points",
        ylim=(len(differences) - 0.5, -0.5),
    )
    return figure


def _padded(runs: Sequence[Sequence[float]]) -> np.ndarray:
    longest = max(map(len, runs))
    return np.array([[*run, *[np.nan] * (longest - len(run))] for run in runs], np.float64)
