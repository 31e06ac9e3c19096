"""Figures of the kernels of convolutions, in a signed colour scale centred on zero."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..errors import UserError
from ..inside.filters import Filters
from .canvas import DPI, SIGNED, colormap, grid_figure, kernel_colours, new_figure, signed_range

_MOST_ROWS = 128  # maps, and channels, of the overview
_PIXELS = 5  # of the picture, for one weight of the overview


def filters(record: Filters, map: int | None = None, columns: int = 8) -> Figure:
    """Draw the filters of a convolution on one scale.

    With one input channel, or the three colours of an image (where zero is grey), each filter is
    one image. With several channels, the figure shows the kernels of filter `map` for each channel,
    or without `map` an overview with a row for each map and a column for each channel.
    """
    limits = signed_range(record.kernels)
    count, channels = record.kernels.shape[:2]
    if map is not None and not 0 <= map < count:
        raise UserError(
            f"map {map} of layer {record.layer!r}: does not exist; accepted: 0 to {count - 1}"
        )
    labels = [str(number) for number in range(count)]
    if map is None and record.in_colour:
        colours = kernel_colours(record.tiles).clip(0, 1)
        return grid_figure(list(colours), columns, labels, title=f"{_title(record)}, zero is grey")
    if map is not None:
        labels = [
            f"channel {number}" if channels < 100 else str(number) for number in range(channels)
        ]
        return grid_figure(
            record.kernels[map], columns, labels, limits, True, title=_title(record, map)
        )
    if channels == 1:
        return grid_figure(record.tiles, columns, labels, limits, True, title=_title(record))
    return _overview(record, limits)


def _title(record: Filters, map: int | None = None) -> str:
    kernels = record.kernels if map is None else record.kernels[map]
    drawn = f"{len(record.kernels)} filters" if map is None else f"filter {map}"
    bias = "" if map is None else f", bias {record.biases[map]:.3g}"
    size = " x ".join(str(n) for n in record.kernels.shape[2:])
    seed = "" if record.seed is None else f", seed {record.seed}"
    limits = f"{kernels.min():.3g} to {kernels.max():.3g}"
    return f"{record.layer}: {drawn} of {size}{bias}, range {limits}{seed}"


def _overview(record: Filters, limits: tuple[float, float]) -> Figure:
    """Draw the kernels in one image, separated by NaN; of large layers the first maps and
    channels.
    """
    kernels = record.kernels[:_MOST_ROWS, :_MOST_ROWS]
    count, channels, height, width = kernels.shape
    mosaic = np.full((count, height + 1, channels, width + 1), np.nan)
    mosaic[:, :-1, :, :-1] = kernels.transpose(0, 2, 1, 3)
    mosaic = mosaic.reshape(count * (height + 1), channels * (width + 1))
    inches = [size * _PIXELS / DPI for size in mosaic.shape]
    title = _title(record)
    if kernels.size < record.kernels.size:
        title += f"\nthe first {count} maps and {channels} of {record.kernels.shape[1]} channels"
    figure = new_figure(max(3.5, inches[1]) + 1.5, max(2.0, inches[0]) + 0.9, title)
    axes = figure.subplots()
    colours = colormap(SIGNED).with_extremes(bad="#9a9a9a")
    drawn = axes.imshow(
        mosaic,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
        extent=(0, channels, count, 0),
        aspect=(height + 1) / (width + 1),
    )
    for axis, number in ((axes.xaxis, channels), (axes.yaxis, count)):
        step = 1 if number <= 8 else 8
        numbers = range(0, number, step)
        axis.set_ticks([number + 0.5 for number in numbers], list(map(str, numbers)))
    axes.set(xlabel="input channel", ylabel="map")
    figure.colorbar(drawn, ax=axes, fraction=0.05, shrink=min(1.0, 4 / inches[0]), pad=0.02)
    return figure
