"""One pass over the test set and one over each kind of other pictures: the numbers of a model card."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.dataset import default_root
from ..data.reader import doubt
from ..errors import UserError, nearest
from ..inside.passes import class_probabilities, dataset_part
from ..runs.model import Model
from .calibration import Calibration, calibration
from .probes import OWN, Probe, blank, changed, handwritten, letters, own

PROBES = ("own", "turned", "letters", "blank")
SURE = 0.9  # a probability that reads as sure
_Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True)
class ClassResult:
    """Of one class: `images` in the test set, how many of them are `correct`, and how many answers name it."""

    name: str
    images: int
    correct: int
    answers: int

    @property
    def recall(self) -> float:
        """Fraction of the class's images that are answered with it; NaN without images."""
        return self.correct / self.images if self.images else math.nan

    @property
    def precision(self) -> float:
        """Fraction of the answers with the class that are right; NaN without answers."""
        return self.correct / self.answers if self.answers else math.nan


@dataclass(frozen=True)
class ProbeResult:
    """What a network says to `images` pictures of one kind.

    `correct` of them (None where they belong to no class), the mean probability of its answers (`confidence`), the
    fraction of answers that look sure, and how many ``predict`` refuses as no digit (None where it refuses none).
    """

    name: str
    images: int
    correct: int | None
    confidence: float
    sure: float
    refused: int | None


@dataclass(frozen=True)
class Measurements:
    """All that a card says in numbers: the test set by class, its loss, calibration, and other pictures."""

    images: int
    correct: int
    loss: float
    classes: tuple[ClassResult, ...]
    calibration: Calibration
    probes: tuple[ProbeResult, ...]

    @property
    def accuracy(self) -> float:
        """Fraction of the test images that are answered right."""
        return self.correct / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson 1927)."""
        n, p = self.images, self.accuracy
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        return middle - half, middle + half


def measure(
    model: Model,
    root: str | Path | None = None,
    drawings: str | Path | None = None,
    leave_out: Sequence[str] = (),
) -> Measurements:
    """Return a network's measurements on its test set, on other pictures, and on people's own `drawings`.

    `root` is where the data sets lie; `drawings` is looked for there, as ``own_digits``, where none is given and the
    network reads digits; `leave_out` names kinds of pictures, of `PROBES`. Raises UserError where `drawings` is no
    folder of labelled pictures, and for an unknown kind.
    """
    for kind in leave_out:
        if kind not in PROBES:
            raise UserError(f"--leave_out {kind}: unknown; {nearest(kind, PROBES)}")
    folder = None if "own" in leave_out else _folder(model, root, drawings)
    pixels, labels = dataset_part(model, "test", root)
    likely = class_probabilities(model, pixels)
    answers = likely.argmax(1)
    right = answers == labels
    names = model.class_names
    classes = tuple(
        ClassResult(
            name,
            int((labels == n).sum()),
            int((right & (labels == n)).sum()),
            int((answers == n).sum()),
        )
        for n, name in enumerate(names)
    )
    loss = -np.log(np.clip(likely[np.arange(len(labels)), labels], 1e-12, 1)).mean()
    probes = [_result(model, probe) for probe in _probes(model, pixels, labels, folder, leave_out)]
    return Measurements(
        len(labels),
        int(right.sum()),
        float(loss),
        classes,
        calibration(likely.max(1), right),
        tuple(probes),
    )


def _probes(
    model: Model,
    pixels: np.ndarray,
    labels: np.ndarray,
    folder: Path | None,
    leave_out: Sequence[str],
) -> Iterable[Probe]:
    if folder is not None:
        yield from own(folder, model)
    if "turned" not in leave_out:
        yield from changed(pixels, labels)
    drawn = None if "letters" in leave_out else letters(model)
    if drawn is not None:
        yield drawn
    if "blank" not in leave_out:
        yield from blank(model)


def _folder(model: Model, root: str | Path | None, drawings: str | Path | None) -> Path | None:
    if drawings is not None:
        folder = Path(drawings)
        if not folder.is_dir():
            raise UserError(
                f"--own {drawings}: no such folder; accepted: a folder of labelled pictures"
            )
        return folder
    folder = Path(root or model.data_root or default_root()) / OWN
    return folder if handwritten(model) and folder.is_dir() else None


def _result(model: Model, probe: Probe) -> ProbeResult:
    total = len(probe.pixels) + probe.unread
    if not len(probe.pixels):
        return ProbeResult(probe.name, total, None, math.nan, math.nan, probe.unread)
    likely = class_probabilities(model, probe.pixels)
    confidence = likely.max(1)
    correct = None if probe.labels is None else int((likely.argmax(1) == probe.labels).sum())
    return ProbeResult(
        probe.name,
        total,
        correct,
        float(confidence.mean()),
        float((confidence >= SURE).mean()),
        _refused(model, probe, confidence),
    )


def _refused(model: Model, probe: Probe, confidence: np.ndarray) -> int | None:
    """How many pictures ``predict`` answers with "no digit", or cannot read."""
    if probe.strokes is None or model.dataset != "mnist":
        return None
    doubts = [
        doubt(strokes, float(p)) for strokes, p in zip(probe.strokes, confidence, strict=True)
    ]
    return probe.unread + sum(reason is not None for reason in doubts)
