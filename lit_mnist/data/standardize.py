"""Standardisation of pixels, fitted in float64 and cast once; and its inverse, for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import nearest
from .idx import DataError

STANDARDIZATIONS = ("per_pixel", "per_pixel_all", "global", "unit", "mean_removed", "none")
_CHUNK = 4096  # images converted at a time, to bound the float64 copy


@dataclass(frozen=True)
class Standardizer:
    """``(pixels - mean) / scale`` on pixels 0 to 255.

    `mean` and `scale` are float64, (28, 28) or scalar; `clip` bounds the result to +-clip standard
    deviations where given. With per-pixel scaling, a pixel that is almost always empty has a tiny
    deviation, so single test pixels reach hundreds of standard deviations.
    """

    kind: str
    mean: np.ndarray
    scale: np.ndarray
    clip: float | None = None

    @classmethod
    def fit(cls, kind: str, images: np.ndarray, clip: float | None = None) -> Standardizer:
        """Fit on `images` (n, 28, 28) uint8; pixels that never vary keep scale 1. Raises DataError.

        ``per_pixel`` and ``per_pixel_all`` differ only in the images that the caller hands in.
        """
        if kind not in STANDARDIZATIONS:
            raise DataError(f"data.standardize: unknown {kind!r}; {nearest(kind, STANDARDIZATIONS)}")
        if clip is not None and not clip > 0:
            raise DataError(f"data.clip = {clip!r} cannot work; accepted: a number above 0, or null")
        zero, one, full = np.float64(0), np.float64(1), np.float64(255)
        match kind:
            case "none":
                mean, scale = zero, one
            case "unit":
                mean, scale = zero, full
            case "mean_removed":
                mean, scale = images.mean(axis=0, dtype=np.float64), full
            case "global":
                mean, scale = images.mean(dtype=np.float64), images.std(dtype=np.float64)
            case _:
                mean, scale = _moments(images)
        return cls(kind, np.asarray(mean), np.where(scale == 0, 1.0, scale), clip)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 of the shape of `pixels` (n, 28, 28), values 0 to 255."""
        result = np.empty(pixels.shape, np.float32)
        for start in range(0, len(pixels), _CHUNK):
            part = slice(start, start + _CHUNK)
            result[part] = self._bounded((pixels[part].astype(np.float64) - self.mean) / self.scale)
        return result

    def invert(self, values: np.ndarray) -> np.ndarray:
        """Return pixels, float64, 0 to 255 for values that came from images (others are not clipped)."""
        return np.asarray(values, np.float64) * self.scale + self.mean

    def _bounded(self, values: np.ndarray) -> np.ndarray:
        return values if self.clip is None else values.clip(-self.clip, self.clip)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind, "mean": self.mean.tolist(), "scale": self.scale.tolist(), "clip": self.clip}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Standardizer:
        """Rebuild from `to_dict`'s values."""
        return cls(values["kind"], np.asarray(values["mean"], np.float64), np.asarray(values["scale"], np.float64),
                   values["clip"])


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact per-pixel mean and population deviation: integer sums, divided once in float64."""
    total = images.sum(axis=0, dtype=np.int64)
    squares = sum((images[start:start + _CHUNK].astype(np.int32) ** 2).sum(axis=0, dtype=np.int64)
                  for start in range(0, len(images), _CHUNK))
    n = len(images)
    # n * squares - total^2 is exact in int64 up to 11 million images, so a constant pixel gives exactly 0
    return total / n, np.sqrt((n * squares - total**2).astype(np.float64)) / n
