"""Feature maps of single images, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...outcome import Outcome
from ..progress import progress
from ..results import Results

if TYPE_CHECKING:
    from ...inside.maps import Answer, FeatureMaps


def features(
    ckpt_path: str,
    images: list[str] | None = None,
    layer: list[str] | None = None,
    out: str = "out/features",
    columns: int = 8,
    standardize: bool = False,
    own_scale: bool = False,
    svg: bool = False,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
) -> Outcome:
    """Draw every map of the chosen layers for the chosen images, and the network's answers.

    Example: python -m lit_mnist features --ckpt_path runs/cnn/version_0 --images test:19 --layer
    'Conv2D_*'

    Args:
        images: ids such as test:19 or train:31727, or image files (default: test:19).
        layer: layers' names or globs; NAME:pre is the value before the activation,
            NAME:probabilities that of the last layer after soft-max (default: all layers).
        out: folder for the pictures, features.npz (all values) and features.json (metrics by map).
        columns: maps in a row.
        standardize: show each map with mean 128 and standard deviation 64, clipped to 0..255, as
            the sources do.
        own_scale: give every map a colour scale of its own instead of one for the layer.
    """
    from ...data.images import read_images
    from ...errors import need_whole
    from ...figures.evaluation import softmax_bars
    from ...figures.maps import feature_grid
    from ...inside.maps import feature_maps
    from ..opening import opened

    need_whole("columns", columns)
    model = opened(ckpt_path, data_root, dataset, scaling, output)
    read = read_images(
        images or ["test:19"], model.dataset, model.data_root, model.spec.input_shape
    )
    records = feature_maps(model, read, layer or "*")
    names = model.class_names
    results = Results("features", out, svg)
    answers = list({record.answer.image: record.answer for record in records}.values())
    for answer in answers:
        results.picture(softmax_bars(answer, names), "softmax", answer.image)
    for record in progress(records, len(records), "pictures"):
        figure = feature_grid(record, columns, standardize, own_scale, names)
        results.picture(figure, "features", record.answer.image, record.layer)
    results.arrays(**{f"{record.answer.image}/{record.layer}": record.values for record in records})
    data = {
        "network": model.path,
        "seed": model.seed,
        "images": [answer_data(answer) for answer in answers],
        "layers": [_layer(record) for record in records],
    }
    return results.finish(data, "\n".join(map(answer_text, answers)))


def answer_data(answer: Answer) -> dict:
    """Return an answer as plain values."""
    return {
        "image": answer.image,
        "label": answer.label if answer.label >= 0 else None,
        "predicted": answer.prediction,
        "probability": answer.probability,
        "probabilities": answer.probabilities.astype(np.float64).round(8),
    }


def answer_text(answer: Answer) -> str:
    """Return an answer as one line."""
    return str(answer)


def _layer(record: FeatureMaps) -> dict:
    values = np.asarray(record.values, np.float64)
    maps = values.reshape(len(values), -1)
    return {
        "image": record.answer.image,
        "layer": record.layer,
        "shape": values.shape,
        "minimum": maps.min(1),
        "maximum": maps.max(1),
        "mean": maps.mean(1),
        "zeros": (maps == 0).mean(1),
    }
