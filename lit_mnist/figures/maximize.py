"""Figures of activation maximisation: grids, evolution, restarts, comparison with data,
animations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..errors import UserError, nearest
from ..maximize.maximization import MaximizationResult
from ..maximize.result import evolution as evolution_of
from .canvas import GREY, animated, colormap, grid_size, image_grid, new_figure, shown

CMAP = "viridis"  # the source's choice for these images
_PLURAL = {"map": "maps", "unit": "units", "class": "classes"}
_ENLARGED = 3  # screen pixels for a pixel of an animated image


def grid(result: MaximizationResult, columns: int = 16) -> Figure:
    """Draw the best image of every target, labelled with the target and its ratio to the best of
    the data.
    """
    images = [_values(result, result.ascent.images[row]) for row in result.best]
    labels = [_label(result, row) for row in result.best]
    return _pictures(
        _title(result, "best restart of each"), images, min(columns, len(images)), labels
    )


def evolution(result: MaximizationResult, targets: Sequence[int] | None = None) -> Figure:
    """Draw the best image of each target (default: the first eight) at the source's snapshot
    steps.
    """
    images = []
    labels = []
    steps = ()
    for target, row in _rows(result, targets):
        steps, snapshots = evolution_of(result, row)
        images += [_values(result, image) for image in snapshots]
        labels += [
            f"{result.name(target)}: step {steps[0]}",
            *(f"step {step}" for step in steps[1:]),
        ]
    return _pictures(_title(result, "evolution"), images, len(steps), labels)


def restarts(result: MaximizationResult, targets: Sequence[int] | None = None) -> Figure:
    """Draw all restarts of each target (default: the first eight), with their activations."""
    images = []
    labels = []
    for target, best in _rows(result, targets):
        for row in np.flatnonzero(result.ascent.rows.targets == target):
            images.append(_values(result, result.ascent.images[row]))
            mark = " best" if row == best else ""
            labels.append(f"{result.name(target)}: {result.quality.activation[row]:.3g}{mark}")
    return _pictures(
        _title(result, "restarts, with their activations"), images, result.settings.restarts, labels
    )


def beside_data(result: MaximizationResult, targets: Sequence[int] | None = None) -> Figure:
    """Draw the best image of each target (default: the first eight), then its top images of the
    data.
    """
    if result.data is None:
        raise UserError(
            "this result has no comparison with data; accepted: a result made with data"
        )
    images = []
    labels = []
    for target, row in _rows(result, targets):
        values = [result.quality.activation[row], *result.data.values[target]]
        images += [_values(result, result.ascent.images[row]), *map(shown, result.data.top(target))]
        labels += [
            f"{result.name(target)}: {values[0]:.3g}",
            *(f"{value:.3g}" for value in values[1:]),
        ]
    columns = 1 + result.data.index.shape[1]
    title = _title(result, f"beside the best of {result.data.source}, with activations")
    return _pictures(
        title, images, columns, labels, [bool(number % columns) for number in range(len(images))]
    )


def curves(result: MaximizationResult) -> Figure:
    """Draw the objective of every target's best image by step, and the median."""
    figure = new_figure(6.5, 4.2, _title(result, "objective per step"))
    axes = figure.add_subplot()
    values = result.ascent.objective[result.best].astype(np.float64)
    axes.plot(values.T, color="#8899aa", linewidth=0.5, alpha=0.6)
    steps = np.flatnonzero(np.isfinite(values).any(0))
    axes.plot(
        steps, np.nanmedian(values[:, steps], 0), color="#d62728", linewidth=1.8, label="median"
    )
    axes.set_xlabel("step")
    axes.set_ylabel("objective")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def quality(result: MaximizationResult) -> Figure:
    """Draw the distribution of the best images' quality measures, over targets that the data
    activate.
    """
    measures = {
        "ratio": "activation / largest of the data",
        "shift": "remains after the worst one-pixel shift",
        "fine": "energy above 1/4 cycle per pixel",
        "spread": "spread of the restarts",
    }
    figure = new_figure(10, 2.8, _title(result, "quality of the best images"))
    for axes, (name, label) in zip(figure.subplots(1, 4), measures.items(), strict=True):
        values = getattr(result.quality, name)[result.best]
        values = values[np.isfinite(values)]
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel(label, fontsize=8)
        if values.size:
            axes.hist(values, bins=24, color="#3b6ea5")
            axes.axvline(np.median(values), color="#d62728", linewidth=1.2)
            axes.set_title(f"median {np.median(values):.3g}", fontsize=8)
    return figure


def pictures(result: MaximizationResult, targets: Sequence[int] | None = None) -> dict[str, Figure]:
    """Return every figure of a result by name; `targets` are those with a row of their own."""
    drawn = {
        "grid": grid(result),
        "evolution": evolution(result, targets),
        "curves": curves(result),
        "quality": quality(result),
    }
    if result.settings.restarts > 1:
        drawn["restarts"] = restarts(result, targets)
    return drawn | ({"beside_data": beside_data(result, targets)} if result.data else {})


def animation(
    result: MaximizationResult, targets: Sequence[int] | None = None, format: str = "gif"
) -> bytes:
    """Return the ascent of the best images of `targets` (default: all) at every snapshot, as GIF or
    APNG.
    """
    rows = [row for _, row in _rows(result, targets or result.targets)]
    frames = [
        _frame(result, result.ascent.snapshots[rows, number])
        for number in range(len(result.ascent.snapshot_steps))
    ]
    return animated(frames, 60, format)


def _frame(result: MaximizationResult, images: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) side by side, enlarged: uint8 (height, width, 3)."""
    columns = max(1, math.ceil(math.sqrt(len(images) * 2)))
    columns = min(columns, len(images))
    cells = [
        np.pad(
            _coloured(result, image).repeat(_ENLARGED, 0).repeat(_ENLARGED, 1),
            ((2, 2), (2, 2), (0, 0)),
            constant_values=255,
        )
        for image in images
    ]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return np.concatenate(
        [
            np.concatenate(cells[start : start + columns], 1)
            for start in range(0, len(cells), columns)
        ]
    )


def _coloured(result: MaximizationResult, image: np.ndarray) -> np.ndarray:
    levels = result.levels(image)
    return levels if levels.ndim == 3 else colormap(CMAP)(levels, bytes=True)[..., :3]


def _values(result: MaximizationResult, image: np.ndarray) -> np.ndarray:
    """Return an input image (C, H, W) as values (H, W), or as colours in 0 to 1."""
    return image[0] if len(image) != 3 else result.levels(image) / 255


def _rows(result: MaximizationResult, targets: Sequence[int] | None) -> list[tuple[int, int]]:
    rows = dict(zip(result.targets, result.best.tolist(), strict=True))
    for target in targets or ():
        if target not in rows:
            raise UserError(
                f"{result.kind} {target!r} was not maximised; "
                f"{nearest(str(target), map(str, rows))}"
            )
    return [(target, rows[target]) for target in (targets or list(rows)[:8])]


def _label(result: MaximizationResult, row: int) -> str:
    target = result.name(int(result.ascent.rows.targets[row]))
    ratio = result.quality.ratio[row]
    if result.quality.activation[row] == 0:
        return f"{target} silent"
    return f"{target} ({ratio:.2g}x)" if np.isfinite(ratio) else f"{target}"


def _title(result: MaximizationResult, subject: str) -> str:
    kinds = _PLURAL[result.kind]
    settings = result.settings
    settings_text = f"preset {settings.preset}, seed {settings.seed}"
    return f"{result.layer}: preferred images of {kinds}, {subject} ({settings_text})"


def _pictures(
    title: str,
    images: Sequence[np.ndarray],
    columns: int,
    labels: Sequence[str],
    data: Sequence[bool] = (),
) -> Figure:
    """Draw a grid of images; those marked as `data` are grey, to set them apart from maximised
    images.
    """
    width, height = grid_size(len(images), columns, images[0].shape[0] / images[0].shape[1])
    figure = new_figure(max(width, 9.0), height + 0.5, title)
    drawn = image_grid(figure.add_subplot(), images, columns, labels, cmap=CMAP)
    for artist, is_data in zip(drawn, data, strict=False):
        if is_data:
            artist.set_cmap(GREY)
    return figure
