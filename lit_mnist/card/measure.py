"""The measurements of a model card: one pass over the test set, and one over each kind of other
pictures.
"""

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
SURE = 0.9  # answers with at least this probability count as sure
_Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True)
class ClassResult:
    """Result for one class: its `images` in the test set, those `correct`, and all `answers` that
    name it.
    """

    name: str
    images: int
    correct: int
    answers: int

    @property
    def recall(self) -> float:
        """Fraction of the class's images that are classified correctly; NaN without images."""
        return self.correct / self.images if self.images else math.nan

    @property
    def precision(self) -> float:
        """Fraction of the answers with this class that are correct; NaN without answers."""
        return self.correct / self.answers if self.answers else math.nan


@dataclass(frozen=True)
class ProbeResult:
    """A network's answers to `images` pictures of one kind.

    `correct` counts correct answers (None for pictures of no class). `confidence` is the mean
    probability of the answers, and `sure` the fraction with a probability of at least `SURE`.
    `refused` counts pictures that ``predict`` calls no digit (None for networks whose pictures it
    never refuses).
    """

    name: str
    images: int
    correct: int | None
    confidence: float
    sure: float
    refused: int | None


@dataclass(frozen=True)
class Measurements:
    """The numbers of a card: results on the test set, calibration, and other pictures
    (`probes`).
    """

    images: int
    correct: int
    loss: float
    classes: tuple[ClassResult, ...]
    calibration: Calibration
    probes: tuple[ProbeResult, ...]

    @property
    def accuracy(self) -> float:
        """Fraction of the test images that are classified correctly."""
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
    """Return a network's measurements on its test set, on other pictures, and on `drawings`.

    `root` is the folder of the data sets. `drawings` is a folder of other people's drawings;
    without it, networks for digits use the folder ``own_digits`` in `root`, if it exists.
    `leave_out` names kinds of pictures, from `PROBES`. Raises UserError for an unknown kind, and
    where `drawings` is not a folder of labelled pictures.
    """
    for kind in leave_out:
        if kind not in PROBES:
            raise UserError(f"--leave_out {kind}: unknown; {nearest(kind, PROBES)}")
    folder = None if "own" in leave_out else _folder(model, root, drawings)
    pixels, labels = dataset_part(model, "test", root)
    probabilities = class_probabilities(model, pixels)
    answers = probabilities.argmax(1)
    correct = answers == labels
    names = model.class_names
    classes = tuple(
        ClassResult(
            name,
            int((labels == n).sum()),
            int((correct & (labels == n)).sum()),
            int((answers == n).sum()),
        )
        for n, name in enumerate(names)
    )
    likelihoods = probabilities[np.arange(len(labels)), labels]
    loss = -np.log(np.clip(likelihoods, 1e-12, 1)).mean()
    probes = [_result(model, probe) for probe in _probes(model, pixels, labels, folder, leave_out)]
    return Measurements(
        len(labels),
        int(correct.sum()),
        float(loss),
        classes,
        calibration(probabilities.max(1), correct),
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
    probabilities = class_probabilities(model, probe.pixels)
    confidence = probabilities.max(1)
    correct = None
    if probe.labels is not None:
        correct = int((probabilities.argmax(1) == probe.labels).sum())
    return ProbeResult(
        probe.name,
        total,
        correct,
        float(confidence.mean()),
        float((confidence >= SURE).mean()),
        _refused(model, probe, confidence),
    )


def _refused(model: Model, probe: Probe, confidence: np.ndarray) -> int | None:
    """Return the number of pictures that ``predict`` calls no digit or cannot read."""
    if probe.strokes is None or model.dataset != "mnist":
        return None
    doubts = [
        doubt(strokes, float(p)) for strokes, p in zip(probe.strokes, confidence, strict=True)
    ]
    return probe.unread + sum(reason is not None for reason in doubts)
