"""Records -> one HTML page: what people read is rendered here, what they pick from travels as packed data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from .. import __version__
from ..attribution.records import Verdict
from ..figures.canvas import SEQUENTIAL, SIGNED
from ..spec import LayerInfo
from .curves import charts
from .encode import colours, limits, packed, signed, sprite
from .gather import Content
from .wanted import wanted_cards, wanted_images

_LIVE = "live.html"  # the live page beside the report
_MISTAKES = 240  # pictures of mistakes in the page; a network that is worse has enough to look at
_TILES = (
    ("test/acc", "Test accuracy"),
    ("test/loss", "Test loss"),
    ("parameters", "Parameters"),
    ("epochs", "Epochs"),
    ("train_seconds", "Training time"),
    ("images_per_second", "Images per second"),
)


def render(content: Content, folder: Path | None = None) -> str:
    """Return the whole page; it needs nothing but itself, and names the live page where `folder`, its own, has one."""
    place = files("lit_mnist.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((place / "page.html").read_text(encoding="utf-8"))
    return template.render(
        _shown(content)
        | {"live": _LIVE if folder and (folder / _LIVE).is_file() else None}
        | {
            "style": (place / "style.css").read_text(encoding="utf-8"),
            "script": (place / "page.js").read_text(encoding="utf-8"),
            "data": json.dumps(_data(content), separators=(",", ":"), allow_nan=False).replace(
                "<", "\\u003c"
            ),
        }
    )


# ---- what is rendered


def _shown(content: Content) -> dict[str, Any]:
    model = content.model
    summary = content.summary
    evaluation = content.evaluation
    return {
        "title": _title(content),
        "path": model.path.name,
        "dataset": model.dataset,
        "note": summary.get("note"),
        "tiles": _tiles(content),
        "facts": _facts(content),
        "config": content.config,
        "charts": charts(content.history) if "curves" not in content.missing else (),
        "curves": _curve_table(content.history),
        "names": content.class_names,
        "spec": model.spec,
        "layers": [_layer(info) for info in model.spec.table],
        "evaluation": evaluation,
        "confusion": _confusion(evaluation.confusion) if evaluation is not None else (),
        "shown_mistakes": min(_MISTAKES, len(evaluation.wrong)) if evaluation is not None else 0,
        "missing": content.missing,
        "content": content,
        "version": __version__,
    }


def _title(content: Content) -> str:
    run = content.model.run
    return f"{run.parent.name} / {run.name}" if run else content.model.path.name


def _tiles(content: Content) -> list[tuple[str, str]]:
    """The metrics that a reader looks for first; the accuracy is measured here where the run does not say it."""
    summary = dict(content.summary)
    if content.evaluation is not None and "test/acc" not in summary:
        summary["test/acc"] = content.evaluation.correct / content.evaluation.images
    summary["parameters"] = content.model.spec.parameters
    return [
        (label, _figure(key, summary[key])) for key, label in _TILES if summary.get(key) is not None
    ]


def _figure(key: str, value: float) -> str:
    match key:
        case "test/acc":
            return f"{100 * value:.2f} %"
        case "train_seconds":
            return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"
        case "test/loss":
            return f"{value:.4f}"
    return f"{value:,.0f}"


def _facts(content: Content) -> list[tuple[str, str]]:
    """Where the metrics come from: weights, data, settings, hardware and versions."""
    summary = content.summary
    model = content.model
    rows = [
        ("Weights", summary.get("weights") or model.path.name),
        ("Data set", model.dataset),
        ("Split", summary.get("split")),
        ("Standardised", model.standardizer.kind),
        ("Seed", model.seed),
        ("Steps", summary.get("steps")),
        ("Validated on", summary.get("validated_on")),
        ("Best validation", _best(summary)),
        ("Precision", summary.get("precision")),
        ("Hardware", _listed(summary.get("hardware"))),
        ("Versions", _listed(summary.get("versions"))),
    ]
    return [(label, str(value)) for label, value in rows if value is not None]


def _best(summary: dict[str, Any]) -> str | None:
    if summary.get("val/acc_best") is None:
        return None
    return f"{100 * summary['val/acc_best']:.2f} % (epoch {summary.get('val/acc_best_epoch')})"


def _listed(values: dict[str, Any] | None) -> str | None:
    return ", ".join(f"{key} {value}" for key, value in values.items()) if values else None


def _curve_table(history: dict[str, list[float]]) -> list[list[str]]:
    keys = [
        key
        for key in ("epochs", "train_loss", "val_loss", "train_acc", "val_acc")
        if key in history
    ]
    rows = zip(*(history[key] for key in keys), strict=True)
    return [[key.replace("_", " ") for key in keys]] + [
        [f"{v:g}" if k == "epochs" else f"{v:.4f}" for k, v in zip(keys, row, strict=True)]
        for row in rows
    ]


def _layer(info: LayerInfo) -> dict[str, str]:
    kind = f"{info.type}, {info.activation}" if info.activation else info.type
    return {
        "name": info.name,
        "kind": kind,
        "shape": " × ".join(map(str, info.output_shape)),
        "parameters": f"{info.parameters:,}",
        "macs": f"{info.macs:,}",
        "field": "{} × {}".format(*info.receptive_field),
        "stride": "{} × {}".format(*info.jump),
    }


def _confusion(matrix: np.ndarray) -> list[list[tuple[int, float]]]:
    """Counts with the strength of their shade, 0 to 1: the diagonal has none."""
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    shade = np.sqrt(wrong / max(1, wrong.max()))
    return [
        [(int(count), float(level)) for count, level in zip(*row, strict=True)]
        for row in zip(matrix, shade, strict=True)
    ]


# ---- what is picked from


def _data(content: Content) -> dict[str, Any]:
    parts = {
        "names": content.class_names,
        "colours": {"sequential": colours(SEQUENTIAL), "signed": colours(SIGNED)},
        "digits": _digits(content),
        "maps": _maps(content),
        "filters": _filters(content),
        "mistakes": _mistakes(content),
        "top": _top(content),
        "wanted": _wanted(content),
        "attributions": _attributions(content),
    }
    return {name: part for name, part in parts.items() if part}


def _digits(content: Content) -> dict[str, Any]:
    first = {record.answer.image: record.answer for record in content.maps}
    items = [
        {
            "name": name,
            "label": int(label),
            "shares": [round(float(p), 4) for p in first[name].probabilities]
            if name in first
            else [],
        }
        for name, label in zip(content.digits.names, content.digits.labels, strict=True)
    ]
    return {"items": items, "sprite": sprite(_colours_or_grey(content.digits.pixels))}


def _colours_or_grey(pixels: np.ndarray) -> np.ndarray:
    """Images as (n, H, W) or (n, H, W, 3): other counts of channels are averaged."""
    return pixels if pixels.ndim == 3 or pixels.shape[3] == 3 else pixels.mean(-1)


def _maps(content: Content) -> dict[str, Any]:
    layers = {}
    for layer in dict.fromkeys(record.layer for record in content.maps):
        values = np.stack([record.values for record in content.maps if record.layer == layer])
        values = values.reshape(*values.shape[:2], *(values.shape[2:] or (1, 1)))
        low, high = limits(values, (1, 2, 3))
        layers[layer] = {
            "shape": values.shape[1:],
            "low": _rounded(low),
            "high": _rounded(high),
            "signed": bool((low < 0).any()),
            "values": packed(values, low, high),
        }
    return layers


def _filters(content: Content) -> dict[str, Any]:
    return {
        record.layer: {
            "shape": record.kernels.shape,
            "high": _rounded(signed(record.kernels, (0, 1, 2, 3))[1])[0],
            "values": packed(record.kernels, *signed(record.kernels, (0, 1, 2, 3))),
        }
        for record in content.filters
    }


def _mistakes(content: Content) -> dict[str, Any]:
    evaluation = content.evaluation
    if evaluation is None or content.dataset is None or not len(evaluation.wrong):
        return {}
    wrong = evaluation.wrong[:_MISTAKES]
    labels = content.dataset.test_labels
    items = [
        [f"test:{i}", int(labels[i]), int(guess), round(float(confidence), 4)]
        for i, guess, confidence in zip(
            wrong, evaluation.predicted, evaluation.confidence, strict=False
        )
    ]
    return {"items": items, "sprite": sprite(content.dataset.test_images[wrong])}


def _top(content: Content) -> dict[str, Any]:
    """Each map's best images by peak; every photograph travels once."""
    if not content.top_images or content.dataset is None:
        return {}
    used = np.unique(np.concatenate([record.peak.index.ravel() for record in content.top_images]))
    layers = {
        record.layer: {
            "index": np.searchsorted(used, record.peak.index).tolist(),
            "values": [_rounded(row) for row in record.peak.values],
            "boxes": record.peak.boxes.tolist(),
        }
        for record in content.top_images
    }
    labels = content.dataset.train_labels[used]
    return {
        "layers": layers,
        "images": content.top_images[0].images,
        "numbers": used.tolist(),
        "labels": labels.tolist(),
        "sprite": sprite(content.dataset.train_images[used]),
    }


def _wanted(content: Content) -> dict[str, Any]:
    return {
        "classes" if record.kind == "class" else record.layer: {
            "names": [record.name(target) for target in record.targets],
            "cards": wanted_cards(record),
            "sprite": sprite(wanted_images(record)),
        }
        for record in content.wanted
    }


def _attributions(content: Content) -> dict[str, Any]:
    record = content.explanation
    if record is None or not record.attributions:
        return {}
    order = [
        content.digits.names.index(name) for name in record.names
    ]  # mistakes come first in the record
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


def _rounded(values: np.ndarray | Sequence[float]) -> list[float]:
    return [float(f"{value:.4g}") for value in np.ravel(values)]
