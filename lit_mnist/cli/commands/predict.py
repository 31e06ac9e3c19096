"""Prediction of single images: ids of the data set, image files, folders, or pages of digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...data.reader import doubt
from ...data.readings import Reading, Source, Unread, read_each
from ...inside.maps import Answer
from ...outcome import Outcome
from ...runs.model import Model
from ..results import Results


@dataclass(frozen=True)
class Reply:
    """The network's answer to a reading.

    `no_digit` says why the reading is no digit; it is None for a digit.
    """

    reading: Reading
    answer: Answer
    no_digit: str | None

    @property
    def symbol(self) -> str:
        """The predicted class, ``?`` for no digit."""
        return "?" if self.no_digit else self.answer.class_name


def predict(
    model: Model,
    names: list[str],
    dataset: str,
    root: str | None,
    out: str | None = None,
    many: bool = False,
) -> Outcome:
    """Return class and probabilities of each named image or, with `many`, of each digit in it.

    A picture that cannot be read is reported in its place, and the exit code is 1. With `out`, each
    picture is drawn beside the network's input into that folder.
    """
    results = Results("predict", out) if out else None
    readings = read_each(names, Source(dataset, root, model.spec.input_shape), many)
    replies = [each if isinstance(each, Unread) else _replies(model, each) for each in readings]
    adapted = _adapted(readings)
    data = {
        "images": [entry for each in replies for entry in _entries(each, many)],
        "adapted": adapted,
    }
    lines = [_line(each, many) for each in replies] + ([f"({adapted})"] if adapted else [])
    failed = any(isinstance(each, Unread) for each in replies)
    if results is None:
        return Outcome(data, "\n".join(lines), int(failed))
    _draw(results, model, replies, many)
    outcome = results.finish(data, "\n".join(lines))
    return Outcome(outcome.data, outcome.text, int(failed))


def _adapted(readings: Sequence[list[Reading] | Unread]) -> str | None:
    """List what was changed in the pictures, each change once."""
    changes = [
        change
        for each in readings
        if not isinstance(each, Unread)
        for change in (each[0].adapted or "").split("; ")
        if change
    ]
    return "; ".join(dict.fromkeys(changes)) or None


def _replies(model: Model, readings: Sequence[Reading]) -> list[Reply]:
    pixels = np.stack([reading.pixels for reading in readings]).astype(np.float32)
    with torch.no_grad():
        outputs = model.network(model.tensor(pixels))
        probabilities = model.network.probabilities(outputs).double().numpy()
    return [
        _reply(model, reading, row) for reading, row in zip(readings, probabilities, strict=True)
    ]


def _reply(model: Model, reading: Reading, probabilities: np.ndarray) -> Reply:
    answer = Answer(reading.name, reading.pixels, reading.label, probabilities, model.class_names)
    no_digit = None
    if reading.digit is not None and model.dataset == "mnist":
        no_digit = doubt(reading.digit.strokes, answer.probability)
    return Reply(reading, answer, no_digit)


def _entries(replies: list[Reply] | Unread, many: bool) -> list[dict[str, Any]]:
    if isinstance(replies, Unread):
        return [{"image": replies.name, "error": replies.reason}]
    return [_entry(reply) | (_placed(reply.reading) if many else {}) for reply in replies]


def _entry(reply: Reply) -> dict[str, Any]:
    answer = reply.answer
    return {
        "image": answer.image,
        "predicted": answer.prediction,
        "class": answer.class_name,
        "probability": answer.probability,
        "probabilities": answer.probabilities.round(8).tolist(),
        "label": answer.label if answer.label >= 0 else None,
        "label_name": answer.label_name,
        "no_digit": reply.no_digit,
    }


def _placed(reading: Reading) -> dict[str, Any]:
    box = [round(side, 1) for side in reading.digit.box] if reading.digit else None
    return {"line": reading.line, "box": box}


def _line(replies: list[Reply] | Unread, many: bool) -> str:
    if isinstance(replies, Unread):
        return f"error: {replies.reason}"
    if many:
        return f"{replies[0].answer.image}: {' / '.join(_written(replies))}"
    reply = replies[0]
    answer = reply.answer
    if reply.no_digit:
        return f"{answer.image}: no digit, {reply.no_digit}; most like {answer.guess}"
    return str(answer)


def _written(replies: Sequence[Reply]) -> list[str]:
    """The digits of each line, in one word: ``["1926", "?7"]``."""
    count = 1 + max(reply.reading.line for reply in replies)
    return [
        "".join(reply.symbol for reply in replies if reply.reading.line == line)
        for line in range(count)
    ]


def _draw(
    results: Results, model: Model, replies: Sequence[list[Reply] | Unread], many: bool
) -> None:
    from ...figures.reading import page, reading

    for each in replies:
        if isinstance(each, Unread):
            continue
        first = each[0]
        picture = first.reading.pixels if first.reading.picture is None else first.reading.picture
        boxes = [reply.reading.digit.box for reply in each if reply.reading.digit]
        if many and boxes:
            texts = [reply.symbol for reply in each]
            known = [not reply.no_digit for reply in each]
            figure = page(picture, boxes, texts, known, _line(each, many))
        else:
            remark = f"no digit: {first.no_digit}" if first.no_digit else None
            figure = reading(
                picture, boxes[0] if boxes else None, first.answer, model.class_names, remark
            )
        results.picture(figure, "predict", first.reading.name)
