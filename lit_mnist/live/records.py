"""What is on record about a network: maps' best training images, images that they want, verdicts on occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..attribution.verdicts import RECORD as VERDICTS
from ..data import DataError, load_dataset
from ..inside.kept import KeptResults, arrays_hash, kept_results
from ..inside.top_images import RECORD as TOP_IMAGES
from ..report.encode import sprite
from ..report.wanted import RECORD as WANTED
from ..runs.model import Model

_METHOD = "occlusion"  # what the page's own attribution is
_SHOWN = 6  # best images of a map


@dataclass(frozen=True)
class Records:
    """What the page shows of what was computed before; empty, or None, where nothing is on record."""

    top_images: dict[str, Any] = field(default_factory=dict)
    wanted: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] | None = None


def records(model: Model) -> Records:
    """Return what ``report``, ``top_images`` and ``explain`` kept of the model; nothing is computed."""
    kept = kept_results(model)
    if kept is None:
        return Records()
    return Records(_top_images(model, kept), _wanted(kept), _verdict(kept))


def _top_images(model: Model, kept: KeptResults) -> dict[str, Any]:
    """Each map's best training images by peak; every picture travels once."""
    entries = [
        (settings, content["peak"])
        for settings, content in kept.all(TOP_IMAGES)
        if settings["part"] == "train"
    ]
    if not entries:
        return {}
    try:
        dataset = load_dataset(model.dataset, model.data_root, download=False, network=model.spec)
    except DataError:
        return {}
    pixels = dataset.train_images
    digest = arrays_hash(pixels)
    layers = {settings["layer"]: peak for settings, peak in entries if settings["pixels"] == digest}
    return _pictures(layers, pixels, dataset.train_labels) if layers else {}


def _pictures(
    layers: dict[str, dict[str, np.ndarray]], pixels: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    used = np.unique(
        np.concatenate([peak["index"][:, :_SHOWN].ravel() for peak in layers.values()])
    )
    return {
        "layers": {
            layer: {
                "index": np.searchsorted(used, peak["index"][:, :_SHOWN]).tolist(),
                "values": _rounded(peak["values"][:, :_SHOWN]),
                "boxes": peak["boxes"][:, :_SHOWN].tolist(),
            }
            for layer, peak in layers.items()
        },
        "numbers": used.tolist(),
        "labels": labels[used].tolist(),
        "sprite": sprite(pixels[used]),
    }


def _wanted(kept: KeptResults) -> dict[str, Any]:
    """The images that maps want, as the report made them."""
    return {
        settings["layer"]: {"sprite": sprite(content["images"]), "cards": content["cards"]}
        for settings, content in kept.all(WANTED)
    }


def _verdict(kept: KeptResults) -> dict[str, Any] | None:
    """The verdict on occlusion of the predicted class by empty windows, which is what the page computes."""
    for settings, content in kept.all(VERDICTS):
        asked = (settings.get("target"), settings.get("baseline"), settings.get("layer"))
        entry = content.get("methods", {}).get(_METHOD)
        if entry and asked == ("predicted", "empty", None):
            applied = [verdict for verdict in entry["verdicts"] if verdict["passed"] is not None]
            return {
                "digits": len(settings["digits"]),
                "passed": all(verdict["passed"] for verdict in applied),
                "checks": [[verdict["check"], verdict["passed"]] for verdict in applied],
            }
    return None


def _rounded(values: Sequence[Sequence[float]] | np.ndarray) -> list[list[float]]:
    return [[float(f"{value:.4g}") for value in row] for row in values]
