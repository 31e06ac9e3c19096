"""A model card in the form of the Hugging Face hub: a YAML header, then Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from .. import __version__
from ..pages import markdown_table
from ..runs.model import Model
from .measure import SURE, Measurements, ProbeResult
from .probes import TURNED

MARK = "<!-- written by lit_mnist card; without this line it is not written over -->"
PICTURE = "card_calibration.png"
_HUB = {  # title and identifier of data sets on the hub
    "mnist": ("MNIST", "ylecun/mnist"),
    "fashion_mnist": ("Fashion-MNIST", "zalando-datasets/fashion_mnist"),
    "cifar10": ("CIFAR-10", "uoft-cs/cifar10"),
    "cifar100": ("CIFAR-100", "uoft-cs/cifar100"),
}


@dataclass(frozen=True)
class Card:
    """The content of a card: `name`, model, `summary` and `config` of a run, and its measurements.

    `command` is the command that writes the card.
    """

    name: str
    model: Model
    summary: Mapping[str, Any]
    config: Mapping[str, Any]
    measured: Measurements
    command: str


def render(card: Card) -> str:
    """Return the card as Markdown with its YAML header."""
    sections = (
        _title(card),
        _use(card),
        _data(card),
        _recipe(card),
        _results(card),
        _calibration(card),
        *([_limits(card)] if card.measured.probes else []),
        _provenance(card),
    )
    header = yaml.safe_dump(_header(card), sort_keys=False, allow_unicode=True)
    return f"---\n{header}---\n{MARK}\n\n" + "\n\n".join(sections) + "\n"


def _header(card: Card) -> dict[str, Any]:
    dataset = card.model.dataset
    title, identifier = _HUB.get(dataset, (dataset, dataset))
    measured = card.measured
    metrics = [
        {"type": "accuracy", "value": round(measured.accuracy, 6), "name": "Test accuracy"},
        {"type": "loss", "value": round(measured.loss, 6), "name": "Test cross-entropy"},
        {
            "type": "expected_calibration_error",
            "value": round(measured.calibration.error, 6),
            "name": "Expected calibration error",
        },
    ]
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"name": title, "type": identifier, "split": "test"},
        "metrics": metrics,
    }
    return {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "pytorch", "lit_mnist", dataset],
        **({"datasets": [identifier]} if dataset in _HUB else {}),
        "metrics": ["accuracy"],
        "model-index": [{"name": card.name, "results": [result]}],
    }


def _title(card: Card) -> str:
    spec, measured = card.model.spec, card.measured
    size = " x ".join(map(str, spec.input_shape))
    low, high = measured.interval
    return "\n".join(
        [
            f"# {card.name}",
            "",
            f"A network of {spec.parameters:,} parameters that sorts images of {size} into "
            f"{spec.classes} classes. It classifies {measured.correct:,} of {measured.images:,} "
            f"test images of {card.model.dataset} correctly: {_percent(measured.accuracy)} (95 % "
            f"interval {_percent(low)} to {_percent(high)}, Wilson). Trained with "
            "[lit_mnist](https://github.com/lit-mnist/lit_mnist).",
        ]
    )


def _use(card: Card) -> str:
    return "\n".join(
        [
            "## Use",
            "",
            "```python",
            "from lit_mnist import open_model",
            "",
            'model = open_model("checkpoints/' + card.model.path.name + '")',
            'model.predict("picture.png")  # scales the picture as in training',
            "```",
            "",
            "Without lit_mnist: `python -m lit_mnist convert RUN out/ --code` writes the network "
            "as PyTorch code, `convert RUN model.onnx --with_scaling` as ONNX.",
        ]
    )


def _data(card: Card) -> str:
    summary = card.summary
    note = summary.get("note")
    rows = [
        ("data set", summary.get("dataset", card.model.dataset)),
        ("training images", _count(summary.get("train_images"))),
        ("weights chosen by", summary.get("weights")),
        ("split", summary.get("split")),
        ("test images", _count(card.measured.images)),
        ("scaling", card.model.standardizer.kind),
        ("augmentation", _augmentation(card.config)),
    ]
    lines = ["## Data", "", _pairs(rows)]
    return "\n".join([*lines, "", f"Note: {note}"] if note else lines)


def _recipe(card: Card) -> str:
    model = card.config.get("model") or {}
    data = card.config.get("data") or {}
    summary = card.summary
    layers = ", ".join(f"{info.name} ({info.type})" for info in card.model.spec.table[:12])
    others = len(card.model.spec.table) - 12
    rows = [
        ("layers", layers + (f" and {others} more" if others > 0 else "")),
        ("optimiser", _class(model.get("optimizer"))),
        ("schedule", _class(model.get("schedule"))),
        ("label smoothing", model.get("label_smoothing") or None),
        ("weights averaged", model.get("average_decay")),
        ("teachers", ", ".join((model.get("distillation") or {}).get("teachers") or []) or None),
        ("batch size", data.get("batch_size")),
        ("epochs", summary.get("epochs")),
        ("steps", _count(summary.get("steps"))),
        ("precision", summary.get("precision")),
        ("seed", summary.get("seed")),
        ("time of training", _seconds(summary.get("fit_seconds"))),
    ]
    return "\n".join(["## Recipe", "", _pairs(rows)])


def _results(card: Card) -> str:
    measured = card.measured
    rows = [
        (
            result.name,
            f"{result.images:,}",
            _percent(result.recall),
            _percent(result.precision),
        )
        for result in measured.classes
    ]
    total = ("all", f"{measured.images:,}", _percent(measured.accuracy), "")
    head = ("class", "n", "recall", "precision")
    return "\n".join(
        [
            "## Results by class",
            "",
            "Measured on the test set in one pass.",
            "",
            markdown_table([head, *rows, total]),
        ]
    )


def _calibration(card: Card) -> str:
    record = card.measured.calibration
    return "\n".join(
        [
            "## Calibration",
            "",
            f"![Accuracy by the probability of the answer]({PICTURE})",
            "",
            f"Expected calibration error {100 * record.error:.2f} % ({len(record.counts)} bins of "
            f"equal width, n = {card.measured.images:,}; Guo et al. 2017): the average difference "
            "between the probability of an answer and the accuracy of such answers. It holds "
            "only for images like those of the test set.",
        ]
    )


def _limits(card: Card) -> str:
    probes = card.measured.probes
    refusing = any(probe.refused is not None for probe in probes)
    head = (
        "pictures",
        "n",
        "correct",
        "mean probability",
        f"answers of probability {SURE} or more",
    )
    rows = [_probe(probe) + ((_number(probe.refused),) if refusing else ()) for probe in probes]
    refused = ' and the number that `predict` calls "no digit"' if refusing else ""
    return "\n".join(
        [
            "## Limits",
            "",
            "The network answers every picture with one of its classes, whatever the picture "
            "shows. The table has its "
            f"answers to pictures that it was not trained for{refused}. Turned "
            "(counter-clockwise) and inverted "
            f"pictures are test images, at most the first {TURNED:,}.",
            "",
            markdown_table([(*head, "no digit") if refusing else head, *rows]),
            *_warning(probes),
        ]
    )


def _warning(probes: Sequence[ProbeResult]) -> list[str]:
    """Return a warning where most pictures of no class get a sure answer."""
    sure = [probe.name for probe in probes if probe.correct is None and probe.sure >= 0.5]
    if not sure:
        return []
    return [
        "",
        "A sure answer does not mean that a picture shows one of the classes: see "
        f"{', '.join(sure)}.",
    ]


def _probe(probe: ProbeResult) -> tuple[str, ...]:
    correct = "–" if probe.correct is None else _percent(probe.correct / probe.images)
    sure = _percent(probe.sure)
    return (probe.name, f"{probe.images:,}", correct, f"{probe.confidence:.3f}", sure)


def _provenance(card: Card) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in (card.summary.get("versions") or {}).items()
    )
    machine = card.summary.get("hardware") or {}
    hardware = ", ".join(
        [
            *filter(None, [machine.get("cpu"), machine.get("gpu")]),
            *([f"{machine['cores']} cores"] if machine.get("cores") else []),
            *filter(None, [machine.get("instructions")]),
        ]
    )
    return "\n".join(
        [
            "## Made with",
            "",
            f"Training: {versions}; {hardware}. This card: lit_mnist {__version__}, "
            f"`{card.command}`.",
        ]
    )


# ---- words and tables


def _pairs(rows: Iterable[tuple[str, Any]]) -> str:
    return markdown_table([("", ""), *(row for row in rows if row[1] is not None)])


def _class(settings: Any) -> str | None:
    """Return a class of a configuration with its arguments: ``RMSprop (learning_rate 0.001, rho
    0.9)``.
    """
    if not isinstance(settings, Mapping):
        return None
    name = str(settings.get("class_path", "")).rpartition(".")[2]
    values = settings.get("init_args") or {}
    listed = ", ".join(
        f"{key} {value}" for key, value in values.items() if value not in (None, False)
    )
    return f"{name} ({listed})" if listed else name


def _augmentation(config: Mapping[str, Any]) -> str:
    settings = (config.get("data") or {}).get("augment")
    if not settings:
        return "none"
    return ", ".join(f"{key} {value}" for key, value in settings.items() if value)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.2f} %"


def _count(value: Any) -> str | None:
    return None if value is None else f"{value:,}"


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)


def _seconds(value: Any) -> str | None:
    return None if value is None else f"{value:,.0f} s"
