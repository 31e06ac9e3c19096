"""Which connected pieces of ink belong to the writing, and which are specks, shadows or the desk."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_EIGHT = np.ones((3, 3), int)
_SPECK = 0.02  # of the writing's area: never a stroke
_PIECE = 0.15  # of the writing's area: a stroke wherever it lies; between the two it must lie close


def writing(mask: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Return the part of `mask` (H, W) that belongs to one digit.

    The heaviest component is the digit's body; what touches the border loses against a component that does not.
    Pieces join it by size and closeness; empty where nothing was written.
    """
    labels, count = ndimage.label(mask, _EIGHT)
    if not count:
        return mask
    numbers = np.arange(1, count + 1)
    ink = ndimage.sum_labels(contrast, labels, numbers)
    touching = border_contact(labels, count)
    body = _body(ink, touching)
    kept = _belonging(labels, count, ink, touching, body)
    return np.isin(labels, kept)


def border_contact(labels: np.ndarray, count: int) -> np.ndarray:
    """Return how many border pixels each component 1 to `count` of `labels` holds, (count,)."""
    border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    return np.bincount(border, minlength=count + 1)[1:]


def _body(ink: np.ndarray, touching: np.ndarray) -> int:
    """The number of the heaviest component; one that touches the border counts for a tenth."""
    return 1 + int(np.argmax(np.where(touching > 0, 0.1 * ink, ink)))


def _belonging(labels: np.ndarray, count: int, ink: np.ndarray, touching: np.ndarray, body: int) -> list[int]:
    spans = ndimage.find_objects(labels)
    size = max(part.stop - part.start for part in spans[body - 1])
    distance = ndimage.distance_transform_edt(labels != body)
    kept = [body]
    for number in range(1, count + 1):
        share = ink[number - 1] / ink[body - 1]
        if number == body or share < _SPECK or (touching[number - 1] and not touching[body - 1]):
            continue
        gap = distance[labels == number].min() / size
        if gap < (0.5 if share >= _PIECE else 0.15):
            kept.append(number)
    return kept
