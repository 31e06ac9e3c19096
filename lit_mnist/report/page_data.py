"""The data of a report's page that its script draws: arrays as text, images as sprites."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ..attribution.records import Verdict
from ..figures.canvas import SEQUENTIAL, SIGNED
from ..inside.filters import Filters
from .content import Content
from .encode import colours, limits, packed, ranked_images, rounded, signed, sprite
from .preferred import preferred_cards, preferred_images

MISTAKES = 240  # number of mistakes in the page
MOST_VALUES = 2**24  # of all feature maps
MOST_KERNELS = 128  # of each map, one for each input channel


def page_data(content: Content) -> dict[str, Any]:
    """Return all data that the page's script reads, as plain values."""
    data = {
        "names": content.class_names,
        "colours": {"sequential": colours(SEQUENTIAL), "signed": colours(SIGNED)},
        "digits": _digits(content),
        "maps": _maps(content),
        "filters": _filters(content),
        "mistakes": _mistakes(content),
        "top": _top(content),
        "preferred": _preferred(content),
        "attributions": _attributions(content),
    }
    return {name: entry for name, entry in data.items() if entry}


def _digits(content: Content) -> dict[str, Any]:
    answers = {record.answer.image: record.answer.probabilities for record in content.maps}
    items = [
        {
            "name": name,
            "label": int(label),
            "probabilities": [round(float(p), 4) for p in answers.get(name, ())],
        }
        for name, label in zip(content.digits.names, content.digits.labels, strict=True)
    ]
    return {"items": items, "sprite": sprite(_colours_or_grey(content.digits.pixels))}


def _colours_or_grey(pixels: np.ndarray) -> np.ndarray:
    """Return images as (n, H, W) or (n, H, W, 3); other numbers of channels are averaged."""
    return pixels if pixels.ndim == 3 or pixels.shape[3] == 3 else pixels.mean(-1)


def _maps(content: Content) -> dict[str, Any]:
    layers = {}
    for layer in dict.fromkeys(record.layer for record in content.maps):
        values = np.stack([record.values for record in content.maps if record.layer == layer])
        layers[layer] = values.reshape(*values.shape[:2], *(values.shape[2:] or (1, 1)))
    most = _most_maps(layers.values())
    return {layer: _layer_maps(values, most) for layer, values in layers.items()}


def _most_maps(layers: Collection[np.ndarray]) -> int:
    """Return the number of maps of each layer that the page holds: all, or of large networks as
    many as `MOST_VALUES` allows.
    """
    most = max((values.shape[1] for values in layers), default=1)
    while most > 1 and sum(values[:, :most].size for values in layers) > MOST_VALUES:
        most = (most + 1) // 2
    return most


def _layer_maps(values: np.ndarray, most: int) -> dict[str, Any]:
    """Return the first maps of a layer, (images, maps, H, W), on one scale for each image."""
    low, high = limits(values, (1, 2, 3))
    shown = values[:, :most] if values[0, 0].size > 1 else values
    return {
        "shape": shown.shape[1:],
        "all": values.shape[1],
        "low": rounded(low),
        "high": rounded(high),
        "signed": bool((low < 0).any()),
        "values": packed(shown, low, high),
    }


def _filters(content: Content) -> dict[str, Any]:
    return {record.layer: _layer_filters(record) for record in content.filters}


def _layer_filters(record: Filters) -> dict[str, Any]:
    """Return the kernels on one signed scale; `colour`: each level is that of a colour, too."""
    scale = signed(record.kernels, (0, 1, 2, 3))
    kernels = record.kernels[:, :MOST_KERNELS]
    return {
        "shape": kernels.shape,
        "channels": record.kernels.shape[1],
        "colour": record.in_colour,
        "high": rounded(scale[1])[0],
        "values": packed(kernels, *scale),
    }


def _mistakes(content: Content) -> dict[str, Any]:
    evaluation = content.evaluation
    if evaluation is None or content.dataset is None or not len(evaluation.wrong):
        return {}
    wrong = evaluation.wrong[:MISTAKES]
    labels = content.dataset.test_labels
    items = [
        [f"test:{i}", int(labels[i]), int(guess), round(float(confidence), 4)]
        for i, guess, confidence in zip(
            wrong, evaluation.predicted, evaluation.confidence, strict=False
        )
    ]
    return {"items": items, "sprite": sprite(content.dataset.test_images[wrong])}


def _top(content: Content) -> dict[str, Any]:
    if not content.top_images or content.dataset is None:
        return {}
    rankings = {record.layer: record.peak for record in content.top_images}
    dataset = content.dataset
    ranked = ranked_images(rankings, dataset.train_images, dataset.train_labels)
    return ranked | {"images": content.top_images[0].images}


def _preferred(content: Content) -> dict[str, Any]:
    return {
        "classes" if record.kind == "class" else record.layer: {
            "names": [record.name(target) for target in record.targets],
            "cards": preferred_cards(record),
            "sprite": sprite(preferred_images(record)),
        }
        for record in content.preferred
    }


def _attributions(content: Content) -> dict[str, Any]:
    record = content.explanation
    if record is None or not record.attributions:
        return {}
    # the record has mistakes first
    order = [content.digits.names.index(name) for name in record.names]
    methods = []
    for attribution in record.attributions:
        values = attribution.values.sum(1)
        methods.append(
            {
                "method": attribution.method,
                "passed": attribution.passed,
                "verdicts": [_verdict(verdict) for verdict in attribution.verdicts],
                "values": packed(values, *signed(values, (1, 2))),
            }
        )
    return {
        "methods": methods,
        "digits": order,
        "targets": record.targets,
        "shape": record.attributions[0].values.shape[2:],
        "judged": record.verdict_digits,
        "skipped": record.skipped,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    value, threshold = (
        None if number is None or not np.isfinite(number) else float(f"{number:.3g}")
        for number in (verdict.value, verdict.threshold)
    )
    return {
        "check": verdict.check,
        "value": value,
        "threshold": threshold,
        "atMost": verdict.at_most,
        "passed": verdict.passed,
        "note": verdict.note,
    }
