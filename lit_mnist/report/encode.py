"""Arrays as text inside a page: bytes as base64, and many small images as one PNG (a sprite)."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..inside.top_images import Ranking

_LEVELS = 255


def base64_of(values: np.ndarray) -> str:
    """Return the bytes of an array as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def rounded(values: np.ndarray | Sequence[float]) -> list[float]:
    """Return all values to four significant digits."""
    return [float(f"{value:.4g}") for value in np.ravel(values)]


def packed(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> str:
    """Return `values` in 256 levels from `low` to `high` (broadcast) as base64; NaN becomes
    `low`.
    """
    span = np.where(np.asarray(high) > low, np.asarray(high, np.float64) - low, 1)
    levels = (
        np.nan_to_num((values - low) / span, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * _LEVELS
    )
    return base64_of(levels.round().astype(np.uint8))


def limits(values: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest finite value over `axes`, which keep length 1.

    Ranges with negative values are widened to be symmetric, so that zero is the middle of a signed
    scale.
    """
    finite = np.where(np.isfinite(values), values, 0)
    low = finite.min(axes, keepdims=True)
    high = finite.max(axes, keepdims=True)
    largest = np.maximum(np.abs(low), np.abs(high))
    signed = (low < 0).any()
    return (-largest, largest) if signed else (np.minimum(low, 0), high)


def signed(values: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return ``-m, m`` for the largest finite magnitude m over `axes`, which keep length 1."""
    largest = np.abs(np.where(np.isfinite(values), values, 0)).max(axes, keepdims=True)
    return -largest, largest


def sprite(images: np.ndarray) -> dict[str, Any]:
    """Return images (n, H, W) or (n, H, W, 3), 0 to 255, as one PNG: ``{uri, columns, width,
    height, count}``.
    """
    count, height, width = images.shape[:3]
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    sheet = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    sheet[:count] = np.asarray(images, np.float32).clip(0, 255).round()
    sheet = sheet.reshape(rows, columns, *images.shape[1:]).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, *images.shape[3:])
    return {"uri": png(sheet), "columns": columns, "width": width, "height": height, "count": count}


def png(pixels: np.ndarray) -> str:
    """Return an image, uint8, as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def colours(name: str) -> str:
    """Return the 256 colours of a colour map as base64 of RGB bytes."""
    from ..figures.canvas import colormap

    return base64_of((colormap(name)(np.arange(256))[:, :3] * 255).round().astype(np.uint8))


def ranked_images(
    rankings: Mapping[str, Ranking], pixels: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    """Return the ranked images of each layer's maps; an image that several maps rank is stored
    once.

    `pixels` (n, H, W) or (n, H, W, 3) and `labels` (n,) are those of all images that were ranked.
    """
    used = np.unique(np.concatenate([ranking.index.ravel() for ranking in rankings.values()]))
    layers = {
        layer: {
            "index": np.searchsorted(used, ranking.index).tolist(),
            "values": [rounded(row) for row in ranking.values],
            "boxes": ranking.boxes.tolist(),
        }
        for layer, ranking in rankings.items()
    }
    return {
        "layers": layers,
        "numbers": used.tolist(),
        "labels": labels[used].tolist(),
        "sprite": sprite(pixels[used]),
    }
