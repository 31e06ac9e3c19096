"""Training curves as points of an SVG, whose colours and text the page's own style decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH = 420
HEIGHT = 240
LEFT = 52
BOTTOM = 30
TOP = 12


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, a CSS class, ``x,y`` points, and each point's text."""

    name: str
    kind: str
    points: tuple[tuple[float, float], ...]
    texts: tuple[str, ...]

    @property
    def path(self) -> str:
        """The points as SVG wants them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """One chart: title, lines, ticks as (position, text), and a dashed reference or None, as
    (position, text) too.
    """

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    reference: tuple[float, str] | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM
    top: int = TOP


def charts(history: dict[str, list[float]], good: float | None = None) -> tuple[Chart, ...]:
    """Return the charts of accuracy and loss by epoch; none where there is no history.

    A dashed line marks the accuracy `good`.
    """
    if not history.get("epochs"):
        return ()
    return (_chart("Accuracy", history, "acc", good), _chart("Loss", history, "loss"))


def _chart(
    title: str, history: dict[str, list[float]], figure: str, reference: float | None = None
) -> Chart:
    epochs = history["epochs"]
    series = [
        (name, kind, history[f"{kind}_{figure}"])
        for name, kind in (("training", "train"), ("validation", "val"))
        if history.get(f"{kind}_{figure}")
    ]
    values = np.concatenate([np.asarray(line, float) for _, _, line in series])
    values = values[np.isfinite(values)]
    ticks = _nice(
        min(0.0, values.min()) if figure == "loss" else min(values.min(), 0.97),
        max(values.max(), 0.2) if figure == "loss" else 1.0,
    )
    y = _scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    x = _scale(epochs[0], max(epochs[-1], epochs[0] + 1), LEFT + 8, WIDTH - 12)
    lines = tuple(
        Line(name, kind, *_points(epochs, line, x, y, name)) for name, kind, line in series
    )
    step = max(1, -(-len(epochs) // 8))
    shown = reference if reference is not None and ticks[0] <= reference <= ticks[-1] else None
    return Chart(
        title,
        lines,
        tuple((x(epoch), f"{epoch:g}") for epoch in epochs[::step]),
        tuple((y(tick), f"{tick:.4g}") for tick in ticks),
        None if shown is None else (y(shown), f"{shown:g}"),
    )


def _points(
    epochs: Sequence[float],
    values: Sequence[float],
    x: Callable[[float], float],
    y: Callable[[float], float],
    name: str,
) -> tuple[tuple, tuple]:
    known = [
        (epoch, value)
        for epoch, value in zip(epochs[-len(values) :], values, strict=True)
        if np.isfinite(value)
    ]
    return (
        tuple((x(epoch), y(value)) for epoch, value in known),
        tuple(f"epoch {epoch:g}, {name}: {value:.4f}" for epoch, value in known),
    )


def _scale(low: float, high: float, first: float, last: float):  # noqa: ANN202 - a linear function
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _nice(low: float, high: float) -> np.ndarray:
    """Between four and eight round numbers from at most `low` to at least `high`."""
    span = max(high - low, 1e-6)
    unit = 10 ** np.floor(np.log10(span / 4))
    step = next(unit * factor for factor in (1, 2, 5, 10) if span / (unit * factor) <= 6)
    return np.arange(np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9) + 1) * step
