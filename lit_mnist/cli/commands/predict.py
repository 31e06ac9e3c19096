"""Predict single images: ids of the data set, or image files."""

from __future__ import annotations

import torch

from ...data.images import read_images
from ...outcome import Outcome
from ...runs.model import Model


def predict(model: Model, names: list[str], dataset: str, root: str | None) -> Outcome:
    """Return class and probabilities of each named image; raises DataError for one that cannot be had."""
    images = read_images(names, dataset, root, model.spec.input_shape)
    with torch.no_grad():
        probabilities = model.network.probabilities(model.network(model.tensor(images.pixels))).double().numpy()
    found = [{"image": name, "predicted": int(row.argmax()), "probability": float(row.max()),
              "probabilities": row.round(8).tolist(), "label": int(label) if label >= 0 else None}
             for name, row, label in zip(images.names, probabilities, images.labels, strict=True)]
    lines = [f"{entry['image']}: {entry['predicted']} ({100 * entry['probability']:.2f} %)" +
             (f", label {entry['label']}" if entry["label"] is not None else "") for entry in found]
    return Outcome({"images": found}, "\n".join(lines))
