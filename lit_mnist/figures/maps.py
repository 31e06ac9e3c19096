"""Figures of layers: feature maps of an image, journeys of images, top images of maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..inside.maps import FeatureMaps, Journey, deprocess
from ..inside.top_images import Ranking, TopImages
from .canvas import (
    GREY,
    SEQUENTIAL,
    SIGNED,
    colormap,
    grid_size,
    image_axes,
    image_grid,
    new_figure,
    shown,
    signed_range,
    value_range,
)
from .evaluation import caption
from .mosaic import mosaic

_MOST_MAPS = 128
_INPUT = 1.9  # inches: width of the input image beside a grid
_MARK = "#ff4040"  # the frame of a patch


def feature_grid(
    record: FeatureMaps,
    columns: int = 8,
    standardize: bool = False,
    own_scale: bool = False,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the maps of a layer for one image, numbered, beside the input; draw vectors as bars.

    Of large layers the first 128 maps are drawn, and the title says so.

    `standardize` shows each map with mean 128 and deviation 64, clipped to 0..255, as the sources
    do. `own_scale` gives every map a colour scale of its own. Layers with negative values have a
    signed scale, blue below zero and red above.
    """
    low, high = record.range
    size = " x ".join(map(str, record.values.shape[1:]))
    count = f"{len(record.values)} maps of {size}" if size else f"{len(record.values)} units"
    if size and len(record.values) > _MOST_MAPS:
        count += f", the first {_MOST_MAPS} drawn"
    title = (
        f"{record.layer}: {count}, range {low:.4g} to {high:.4g}{_scale(standardize, own_scale)}\n"
        f"{caption(record.answer, class_names)}{_seed(record.seed)}"
    )
    if record.values.ndim == 1:
        return _units(record, title)
    values = record.values[:_MOST_MAPS]
    values = deprocess(values) if standardize else values
    signed = low < 0 and not standardize
    shared_range = signed_range(values) if signed else value_range(values)
    limits = None if own_scale else shared_range
    if standardize:
        limits = (0.0, 255.0)
    columns = min(columns, len(values))
    width, height = grid_size(len(values), columns, values.shape[1] / values.shape[2])
    figure = new_figure(_INPUT + width + 1, max(height, _INPUT) + 0.7, title)
    picture, grid = figure.subplots(1, 2, width_ratios=[_INPUT, width])
    _input(picture, record)
    drawn = image_grid(
        grid, values, columns, [str(number) for number in range(len(values))], limits, signed
    )
    grid.set_anchor("NW")
    if limits:
        figure.colorbar(drawn[-1], ax=grid, fraction=0.05, shrink=min(1.0, 4.0 / height), pad=0.01)
    return figure


def _scale(standardize: bool, own_scale: bool) -> str:
    if standardize:
        return ", each map standardised and clipped"
    return ", each map on its own scale" if own_scale else ""


def _seed(seed: int | None) -> str:
    return "" if seed is None else f", seed {seed}"


def _input(axes: Axes, record: FeatureMaps) -> None:
    image_axes(axes).imshow(shown(record.answer.pixels), cmap=GREY, vmin=0, vmax=1)
    axes.set_title("input", fontsize=9)
    axes.set_anchor("N")


def _units(record: FeatureMaps, title: str) -> Figure:
    figure = new_figure(10, 3, title)
    picture, bars = figure.subplots(1, 2, width_ratios=[_INPUT, 8])
    _input(picture, record)
    bars.vlines(
        range(len(record.values)),
        0,
        record.values,
        color=colormap(SEQUENTIAL)(0.45),
        linewidth=float(np.clip(500 / len(record.values), 0.5, 12)),
    )
    bars.axhline(0, color="black", linewidth=0.5)
    bars.set(xlabel="unit", ylabel="value", xlim=(-0.7, len(record.values) - 0.3))
    if len(record.values) <= 20:
        bars.set_xticks(range(len(record.values)))
    return figure


def journey(record: Journey, class_names: Sequence[str] | None = None) -> Figure:
    """Draw one map of every layer for each image: images in rows, layers in columns with one scale
    each.
    """
    rows = len(record.answers)
    columns = 1 + len(record.layers)
    figure = new_figure(
        1.45 * columns, 1.6 * rows + 0.6, f"map {record.map} of each layer{_seed(record.seed)}"
    )
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, answer in zip(grid, record.answers, strict=True):
        image_axes(row[0]).imshow(shown(answer.pixels), cmap=GREY, vmin=0, vmax=1)
        row[0].set_title(caption(answer, class_names).replace(": ", "\n"), fontsize=8)
    for number, layer in enumerate(record.layers):
        _column(grid[:, number + 1], layer, [values[number] for values in record.values])
    return figure


def _column(column: np.ndarray, layer: str, maps: Sequence[np.ndarray]) -> None:
    values = np.concatenate([image.ravel() for image in maps])
    signed = values.min() < 0
    low, high = (signed_range if signed else value_range)(values)
    for axes, image in zip(column, maps, strict=True):
        image_axes(axes).imshow(
            image, cmap=colormap(SIGNED if signed else SEQUENTIAL), vmin=low, vmax=high
        )
    column[0].set_title(f"{layer}\n{values.min():.3g} to {values.max():.3g}", fontsize=8)


def top_images(
    record: TopImages,
    measure: str,
    maps: Sequence[int],
    pixels: np.ndarray,
    names: Sequence[str],
    seed: int | None = None,
) -> Figure:
    """Draw the top images of each of `maps`, with the receptive field framed, and beside the image
    where it is smaller than that.

    `pixels` (n, H, W), 0 to 255, and `names` are those of the pass that made `record`. `measure` is
    ``peak`` or ``mean``; the receptive field is that of the map's strongest position in both cases.
    """
    ranking: Ranking = getattr(record, measure)
    ranking = Ranking(
        *(values[list(maps)] for values in (ranking.index, ranking.values, ranking.boxes))
    )
    k = ranking.index.shape[1]
    size = pixels.shape[1:3]
    sees_all = bool((ranking.boxes == (0, 0, *size)).all())
    # a patch beside the image shows nothing new where the receptive field is as large
    step = 1 if ((ranking.boxes[..., 2:] - ranking.boxes[..., :2]) >= size).all() else 2
    pictures = []
    labels = []
    for image, value, box in zip(
        ranking.index.flat, ranking.values.flat, ranking.boxes.reshape(-1, 4), strict=True
    ):
        pictures += [shown(pixels[image]), patch(shown(pixels[image]), box)][:step]
        labels += [f"{names[image]}\n{value:.3g}", ""][:step]
    width, height = grid_size(len(pictures), step * k, cell=0.75, lines=2)
    title = (
        f"{record.layer}, best {k} of {record.images:,} images by {measure}, framed: the receptive "
        f"field{_seed(seed)}"
    )
    figure = new_figure(max(width + 0.6, 7), height + 0.5, title)
    axes = figure.subplots()
    extents = mosaic(axes, pictures, step * k, labels)[::step]
    for number, (left, _, bottom, top) in zip(maps, extents[::k], strict=True):
        axes.text(
            left - 0.1,
            (bottom + top) / 2,
            f"map {number}",
            rotation=90,
            ha="right",
            va="center",
            fontsize=8,
        )
    if not sees_all:
        frames = [
            _frame(extent, box, size)
            for extent, box in zip(extents, ranking.boxes.reshape(-1, 4), strict=True)
        ]
        axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=_MARK, linewidth=1))
    return figure


def patch(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the part of `image` in `box` (top, left, bottom, right), with NaN outside the
    image.
    """
    top, left, bottom, right = map(int, box)
    outside = [
        max(0, -top),
        max(0, bottom - image.shape[0]),
        max(0, -left),
        max(0, right - image.shape[1]),
    ]
    padding = [outside[:2], outside[2:], *[(0, 0)] * (image.ndim - 2)]
    padded = np.pad(image, padding, constant_values=np.nan)
    top = top + outside[0]
    left = left + outside[2]
    return padded[top : top + box[2] - box[0], left : left + box[3] - box[1]]


def _frame(extent: tuple[float, ...], box: np.ndarray, size: tuple[int, int]) -> Rectangle:
    """Return the box as a rectangle in the grid, cut at the border of the image."""
    left, right, bottom, top = extent
    y0, x0, y1, x1 = np.clip(box / (*size, *size), 0, 1)
    return Rectangle(
        (left + x0 * (right - left), top + y0 * (bottom - top)),
        (x1 - x0) * (right - left),
        (y1 - y0) * (bottom - top),
    )
