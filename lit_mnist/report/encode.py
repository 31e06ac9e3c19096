"""Arrays as text inside a page: bytes with their range, and many small images as one PNG."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

_LEVELS = 255


def packed(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> str:
    """Return `values` in 256 levels from `low` to `high` (broadcast) as base64; NaN becomes `low`."""
    span = np.where(np.asarray(high) > low, np.asarray(high, np.float64) - low, 1)
    levels = (
        np.nan_to_num((values - low) / span, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * _LEVELS
    )
    return base64.b64encode(levels.round().astype(np.uint8).tobytes()).decode()


def limits(values: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and largest finite value over `axes`, which stay with length 1.

    Ranges that reach below zero are widened to be symmetric, so that zero lies in a signed scale's middle.
    """
    finite = np.where(np.isfinite(values), values, 0)
    low = finite.min(axes, keepdims=True)
    high = finite.max(axes, keepdims=True)
    largest = np.maximum(np.abs(low), np.abs(high))
    signed = (low < 0).any()
    return (-largest, largest) if signed else (np.minimum(low, 0), high)


def signed(values: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return ``-m, m`` with the largest finite magnitude m over `axes`, which stay with length 1."""
    largest = np.abs(np.where(np.isfinite(values), values, 0)).max(axes, keepdims=True)
    return -largest, largest


def sprite(images: np.ndarray) -> dict[str, Any]:
    """Return images (n, H, W) or (n, H, W, 3), 0 to 255, as one PNG: ``{uri, columns, width, height, count}``."""
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

    return base64.b64encode(
        (colormap(name)(np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes()
    ).decode()
