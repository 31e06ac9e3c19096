"""Predict single images: ids of the data set, image files, or folders of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...data.images import read_images
from ...outcome import Outcome
from ...runs.model import Model


def predict(model: Model, names: list[str], dataset: str, root: str | None) -> Outcome:
    """Return class and probabilities of each named image; raises DataError for one that cannot be had."""
    images = read_images(names, dataset, root, model.spec.input_shape)
    with torch.no_grad():
        probabilities = model.network.probabilities(model.network(model.tensor(images.pixels))).double().numpy()
    answers = [_answer(model, *each) for each in zip(images.names, probabilities, images.labels.tolist(), strict=True)]
    lines = [_line(answer) for answer in answers] + ([f"({images.adapted})"] if images.adapted else [])
    return Outcome({"images": answers, "adapted": images.adapted}, "\n".join(lines))


def _answer(model: Model, name: str, probabilities: np.ndarray, label: int) -> dict[str, Any]:
    predicted = int(probabilities.argmax())
    return {"image": name, "predicted": predicted, "class": model.class_names[predicted],
            "probability": float(probabilities.max()), "probabilities": probabilities.round(8).tolist(),
            "label": label if label >= 0 else None,
            "label_name": model.class_names[label] if 0 <= label < len(model.class_names) else None}


def _line(answer: dict[str, Any]) -> str:
    label = "" if answer["label"] is None else f", label {answer['label_name'] or answer['label']}"
    return f"{answer['image']}: {answer['class']} ({100 * answer['probability']:.2f} %){label}"
