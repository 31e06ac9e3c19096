"""Preferred images of maps and classes, as the report and the live page show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..maximize.maximization import MaximizationResult


def preferred_images(record: MaximizationResult) -> np.ndarray:
    """Return the strongest image of each target, scaled to 0 to 255.

    Images are (n, H, W, 3) for networks that take colour images, in the pixels' own colours where
    the scaling is known, else grey, (n, H, W).
    """
    images = record.ascent.images[record.best]
    if record.colours is not None:
        return np.stack([record.levels(image) for image in images]).astype(np.float64)
    shown = images.transpose(0, 2, 3, 1) if images.shape[1] == 3 else images.mean(1)
    axes = tuple(range(1, shown.ndim))
    low = shown.min(axes, keepdims=True)
    high = shown.max(axes, keepdims=True)
    return (shown - low) / np.where(high > low, high - low, 1) * 255


def preferred_cards(record: MaximizationResult) -> list[dict[str, Any]]:
    """Return activation, ratio to the best of the data, and outcome of each target's strongest
    image.
    """
    return [_card(record.card(row)) for row in record.best]


def _card(card: dict[str, Any]) -> dict[str, Any]:
    ratio = card["ratio"]
    return {
        "activation": round(card["activation"], 4),
        "ratio": round(ratio, 3) if np.isfinite(ratio) else None,
        "outcome": card["outcome"],
    }
