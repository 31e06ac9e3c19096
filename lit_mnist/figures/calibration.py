"""The figure of a calibration: accuracy by confidence, and the number of images by confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .canvas import REFERENCE, VALIDATION, new_figure

if TYPE_CHECKING:
    from ..card.calibration import Calibration


def calibration_curve(record: Calibration, title: str | None = None) -> Figure:
    """Draw accuracy by confidence in bins, above the number of images in each bin (logarithmic)."""
    figure = new_figure(5, 5.2, title)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    middle = (record.edges[:-1] + record.edges[1:]) / 2
    width = 0.9 * np.diff(record.edges)
    filled = record.counts > 0
    upper.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle="--", label="calibrated")
    upper.plot(
        record.confidence[filled],
        record.accuracy[filled],
        color=REFERENCE,
        marker="o",
        label="measured",
    )
    upper.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="accuracy")
    upper.legend(loc="upper left", fontsize=8)
    upper.grid(alpha=0.3)
    lower.bar(middle[filled], record.counts[filled], width[filled], color=VALIDATION, alpha=0.6)
    lower.set_yscale("log")
    lower.set(xlabel="probability of the answer", ylabel="images")
    lower.set_ylim(bottom=0.5)
    lower.grid(alpha=0.3)
    return figure
