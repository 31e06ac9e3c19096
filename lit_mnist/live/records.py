"""Recorded results about a network: top training images, preferred images, the verdict on
occlusion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..attribution.verdicts import RECORD as VERDICTS
from ..data import DataError, Dataset, load_dataset
from ..inside.kept import KeptResults, arrays_hash, kept_results
from ..inside.top_images import RECORD as TOP_IMAGES
from ..inside.top_images import Ranking
from ..maximize.maximization import maximize_maps
from ..maximize.quality import training_references
from ..maximize.record import settings_on_record
from ..maximize.result import MAPS
from ..report.encode import ranked_images, sprite
from ..report.preferred import preferred_cards, preferred_images
from ..runs.model import Model

_METHOD = "occlusion"  # the attribution method of the page
_SHOWN = 6  # number of top images of a map


@dataclass(frozen=True)
class Records:
    """Recorded results that the page shows; empty or None where there are none."""

    top_images: dict[str, Any] = field(default_factory=dict)
    preferred: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] | None = None


def records(model: Model) -> Records:
    """Return the results that ``report``, ``top_images``, ``maximize`` and ``explain`` kept; what
    is not kept is left out.
    """
    kept = kept_results(model)
    if kept is None:
        return Records()
    dataset = _dataset(model)
    return Records(_top_images(dataset, kept), _preferred(model, dataset, kept), _verdict(kept))


def _dataset(model: Model) -> Dataset | None:
    """Return the network's data set; None if it is not there."""
    try:
        return load_dataset(model.dataset, model.data_root, download=False, network=model.spec)
    except DataError:
        return None


def _top_images(dataset: Dataset | None, kept: KeptResults) -> dict[str, Any]:
    """Return the top training images of each map by peak; none without the images."""
    if dataset is None:
        return {}
    entries = [
        (settings, content["peak"])
        for settings, content in kept.all(TOP_IMAGES)
        if settings["part"] == "train"
    ]
    if not entries:
        return {}
    pixels = dataset.train_images
    digest = arrays_hash(pixels)
    rankings = {
        settings["layer"]: Ranking(*(peak[key][:, :_SHOWN] for key in ("index", "values", "boxes")))
        for settings, peak in entries
        if settings["pixels"] == digest
    }
    return ranked_images(rankings, pixels, dataset.train_labels) if rankings else {}


def _preferred(model: Model, dataset: Dataset | None, kept: KeptResults) -> dict[str, Any]:
    """Return the preferred image of each map, of the best ascents on record, and what became of
    it, which depends on the training images where they are there.
    """
    settings = settings_on_record(kept, model.network, MAPS)
    layers = [layer for layer in model.spec.names if layer in settings]
    compared = {}
    if dataset is not None and layers:
        compared = training_references(model, layers, dataset.train_images, kept)
    records = {
        layer: maximize_maps(
            model, layer, settings=settings[layer], data=compared.get(layer), kept=kept
        )
        for layer in layers
    }
    return {
        layer: {"sprite": sprite(preferred_images(record)), "cards": preferred_cards(record)}
        for layer, record in records.items()
    }


def _verdict(kept: KeptResults) -> dict[str, Any] | None:
    """Return the verdict on the page's method: occlusion of the predicted class by empty
    windows.
    """
    for settings, content in kept.all(VERDICTS):
        target = (settings.get("target"), settings.get("baseline"), settings.get("layer"))
        entry = content.get("methods", {}).get(_METHOD)
        if entry and target == ("predicted", "empty", None):
            applied = [verdict for verdict in entry["verdicts"] if verdict["passed"] is not None]
            return {
                "digits": len(settings["digits"]),
                "passed": all(verdict["passed"] for verdict in applied),
                "checks": [[verdict["check"], verdict["passed"]] for verdict in applied],
            }
    return None
