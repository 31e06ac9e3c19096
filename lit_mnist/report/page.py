"""The HTML page of a report: text and tables are rendered here, its script draws the rest from
data.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..data import GOOD_ACCURACY
from ..spec import LayerInfo
from .content import Content
from .curves import Chart, charts
from .page_data import MISTAKES, page_data
from .template import page_template, page_title, script_json

_LIVE = "live.html"  # the live page in the same folder
_TILES = (
    ("test/acc", "Test accuracy"),
    ("test/loss", "Test loss"),
    ("parameters", "Parameters"),
    ("epochs", "Epochs"),
    ("train_seconds", "Training time"),
    ("images_per_second", "Images per second"),
)


def render(content: Content, folder: Path | None = None) -> str:
    """Return the page, which needs no other file; it links to the live page where `folder` has
    one.
    """
    source = files("lit_mnist.report")
    template = page_template((source / "page.html").read_text(encoding="utf-8"))
    return template.render(
        **_values(content),
        live=_LIVE if folder and (folder / _LIVE).is_file() else None,
        style=(source / "style.css").read_text(encoding="utf-8"),
        script=(source / "page.js").read_text(encoding="utf-8"),
        data=script_json(page_data(content)),
    )


def _values(content: Content) -> dict[str, Any]:
    """Return the values of the template."""
    model = content.model
    summary = content.summary
    evaluation = content.evaluation
    return {
        "title": page_title(model),
        "path": model.path.name,
        "dataset": model.dataset,
        "note": summary.get("note"),
        "tiles": _tiles(content),
        "facts": _facts(content),
        "config": content.config,
        "charts": _charts(content),
        "curves": _curve_table(content.history),
        "names": content.class_names,
        "spec": model.spec,
        "layers": [_layer(info) for info in model.spec.table],
        "evaluation": evaluation,
        "confusion": _confusion(evaluation.confusion) if evaluation is not None else (),
        "shown_mistakes": min(MISTAKES, len(evaluation.wrong)) if evaluation is not None else 0,
        "missing": content.missing,
        "content": content,
        "version": __version__,
    }


def _charts(content: Content) -> tuple[Chart, ...]:
    if "curves" in content.missing:
        return ()
    return charts(content.history, GOOD_ACCURACY.get(content.model.dataset))


def _tiles(content: Content) -> list[tuple[str, str]]:
    """Return the main metrics; the accuracy is that of the evaluation where the run has none."""
    summary = dict(content.summary)
    if content.evaluation is not None and "test/acc" not in summary:
        summary["test/acc"] = content.evaluation.correct / content.evaluation.images
    summary["parameters"] = content.model.spec.parameters
    return [
        (label, _metric(key, summary[key])) for key, label in _TILES if summary.get(key) is not None
    ]


def _metric(key: str, value: float) -> str:
    match key:
        case "test/acc":
            return f"{100 * value:.2f} %"
        case "train_seconds":
            return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"
        case "test/loss":
            return f"{value:.4f}"
    return f"{value:,.0f}"


def _facts(content: Content) -> list[tuple[str, str]]:
    """Return the origin of the metrics: weights, data, settings, hardware and versions."""
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
    if not values:
        return None
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())


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
    """Return counts with the strength of their shade, 0 to 1; the diagonal has none."""
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    shade = np.sqrt(wrong / max(1, wrong.max()))
    return [
        [(int(count), float(level)) for count, level in zip(*row, strict=True)]
        for row in zip(matrix, shade, strict=True)
    ]
