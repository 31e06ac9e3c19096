"""The kernels of the convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...outcome import Outcome
from ..numbers import read_numbers
from ..progress import progress
from ..results import Results

if TYPE_CHECKING:
    from ...inside.filters import Filters


def filters(
    ckpt_path: str,
    layer: list[str] | None = None,
    maps: list[str] | None = None,
    out: str = "out/filters",
    columns: int = 8,
    svg: bool = False,
) -> Outcome:
    """Draw the filters of convolutions: in colour where the input is a colour image, else on a
    signed scale.

    Example: python -m lit_mnist filters --ckpt_path runs/cnn/version_0 --layer Conv2D_3 --maps 7

    Args:
        layer: convolutions' names (default: all of them).
        maps: filters to draw with their kernels for every input channel, one picture each (default:
            an overview, with a row for each map and a column for each channel).
        out: folder for the pictures, filters.npz (all weights) and filters.json (metrics by
            filter).
        columns: kernels in a row.
    """
    from ...errors import UserError, need_whole
    from ...figures.filters import filters as draw
    from ...inside.filters import convolutions
    from ...inside.filters import filters as kernels_of
    from ...runs.model import open_model

    need_whole("columns", columns)
    model = open_model(ckpt_path)
    results = Results("filters", out, svg)
    records = [
        kernels_of(model.network, name, model.seed) for name in layer or convolutions(model.network)
    ]
    if not records:
        raise UserError(
            f"{ckpt_path}: this network has no convolution; accepted: a network with convolutions"
        )
    chosen = [
        read_numbers(maps, len(record.kernels), "maps", f"of layer {record.layer!r}")
        for record in records
    ]
    drawn = progress(zip(records, chosen, strict=True), len(records), "pictures")
    for record, numbers in drawn:
        for number in numbers or [None]:
            name = [] if number is None else [f"map{number}"]
            results.picture(draw(record, number, columns), "filters", record.layer, *name)
    results.arrays(
        **{
            f"{record.layer}/{key}": getattr(record, key)
            for record in records
            for key in ("kernels", "biases")
        }
    )
    data = {
        "network": model.path,
        "seed": model.seed,
        "layers": [_layer(record) for record in records],
    }
    return results.finish(data, "\n".join(_line(entry) for entry in data["layers"]))


def _layer(record: Filters) -> dict:
    weights = np.asarray(record.kernels, np.float64).reshape(len(record.kernels), -1)
    return {
        "layer": record.layer,
        "shape": record.kernels.shape,
        "bias": record.biases,
        "minimum": weights.min(1),
        "maximum": weights.max(1),
        "mean": weights.mean(1),
        "norm": np.linalg.norm(weights, axis=1),
    }


def _line(entry: dict) -> str:
    maps, channels, *size = entry["shape"]
    return (
        f"{entry['layer']}: {maps} filters of {size[0]} x {size[1]}, {channels} input channels, "
        f"weights {entry['minimum'].min():.4g} to {entry['maximum'].max():.4g}"
    )
