"""Standardisation of pixels, fitted in float64 and cast once; and its inverse, for pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import nearest
from .idx import DataError

STANDARDIZATIONS = (
    "per_pixel",
    "per_pixel_all",
    "per_channel",
    "global",
    "unit",
    "mean_removed",
    "none",
    "imagenet",
    "caffe",
    "tf",
)
_CHUNK = 4096 * 784  # values converted at a time, to bound the float64 copy
FIXED = ("unit", "none", "imagenet", "caffe", "tf")  # the same for all pictures
# of ImageNet's training images, red, green, blue, in units of 255 (as torchvision's models take
# them) ...
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406]) * 255
_IMAGENET_SCALE = np.array([0.229, 0.224, 0.225]) * 255
_CAFFE_MEAN = np.array(
    [103.939, 116.779, 123.68]
)  # ... and of Caffe's, blue, green, red (Keras' mode caffe)


@dataclass(frozen=True)
class Standardizer:
    """``(pixels - mean) / scale`` on pixels 0 to 255.

    `mean` and `scale` are float64: of an image's shape, (channels,), or scalar; `clip` bounds the
    result to +-clip standard deviations; `bgr` first reverses the channels.
    With per-pixel scaling, a pixel that is almost always empty has a tiny deviation, so single test
    pixels reach hundreds of standard deviations.
    """

    kind: str
    mean: np.ndarray
    scale: np.ndarray
    clip: float | None = None
    bgr: bool = False

    @classmethod
    def fit(cls, kind: str, images: np.ndarray, clip: float | None = None) -> Standardizer:
        """Fit on uint8 `images` (n, H, W) or (n, H, W, C).

        Constant pixels keep scale 1. ``per_pixel`` and ``per_pixel_all`` differ only in the images
        that the caller passes. ``unit`` divides by 255, ``tf`` maps 0 to 255 onto -1 to 1;
        ``imagenet`` and ``caffe`` are the fixed scalings of colour networks (Keras' modes tf, torch
        and caffe). Raises DataError.
        """
        if kind not in STANDARDIZATIONS:
            raise DataError(
                f"data.standardize: unknown {kind!r}; {nearest(kind, STANDARDIZATIONS)}"
            )
        if clip is not None and not clip > 0:
            raise DataError(
                f"data.clip = {clip!r} cannot work; accepted: a number above 0, or null"
            )
        if kind in ("imagenet", "caffe") and images.shape[3:] != (3,):
            raise DataError(
                f"data.standardize = {kind!r} is for pictures in red, green and blue; these have "
                "one channel; accepted: tf, unit, global, per_pixel, none"
            )
        zero = np.float64(0)
        one = np.float64(1)
        full = np.float64(255)
        match kind:
            case "none":
                mean = zero
                scale = one
            case "unit":
                mean = zero
                scale = full
            case "mean_removed":
                mean = images.mean(axis=0, dtype=np.float64)
                scale = full
            case "global":
                mean = images.mean(dtype=np.float64)
                scale = images.std(dtype=np.float64)
            case "imagenet":
                mean = _IMAGENET_MEAN
                scale = _IMAGENET_SCALE
            case "caffe":
                mean = _CAFFE_MEAN
                scale = one
            case "tf":
                mean = full / 2
                scale = full / 2
            case "per_channel":
                mean, scale = _channel_moments(images)
            case _:
                mean, scale = _moments(images)
        return cls(kind, np.asarray(mean), np.where(scale == 0, 1.0, scale), clip, kind == "caffe")

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 of the shape of `pixels` (n, H, W) or (n, H, W, C), values 0 to 255."""
        result = np.empty(pixels.shape, np.float32)
        step = max(1, _CHUNK // max(1, math.prod(pixels.shape[1:])))
        for start in range(0, len(pixels), step):
            part = slice(start, start + step)
            values = self._reordered(pixels[part]).astype(np.float64)
            result[part] = self._bounded((values - self.mean) / self.scale)
        return result

    def invert(self, values: np.ndarray) -> np.ndarray:
        """Return pixels, float64: 0 to 255 for values of images; others are not clipped."""
        return self._reordered(np.asarray(values, np.float64) * self.scale + self.mean)

    def _reordered(self, values: np.ndarray) -> np.ndarray:
        return values[..., ::-1] if self.bgr else values

    def _bounded(self, values: np.ndarray) -> np.ndarray:
        return values if self.clip is None else values.clip(-self.clip, self.clip)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.kind,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "clip": self.clip,
            **({"bgr": True} if self.bgr else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Standardizer:
        """Rebuild from `to_dict`'s values."""
        return cls(
            values["kind"],
            np.asarray(values["mean"], np.float64),
            np.asarray(values["scale"], np.float64),
            values["clip"],
            bool(values.get("bgr", False)),
        )


def channels_first(moment: np.ndarray) -> np.ndarray:
    """Return a mean or scale in a shape that broadcasts over (C, H, W).

    It is (), (H, W), (H, W, C) or (channels,).
    """
    if moment.ndim == 3:
        return moment.transpose(2, 0, 1)
    return moment[:, None, None] if moment.ndim == 1 else moment


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact per-pixel mean and population deviation: integer sums, divided once in float64."""
    total = images.sum(axis=0, dtype=np.int64)
    step = max(1, _CHUNK // max(1, math.prod(images.shape[1:])))
    squares = sum(
        (images[start : start + step].astype(np.int32) ** 2).sum(axis=0, dtype=np.int64)
        for start in range(0, len(images), step)
    )
    n = len(images)
    # n * squares - total^2 is exact in int64 up to 11 million images, so a constant pixel gives
    # exactly 0
    return total / n, np.sqrt((n * squares - total**2).astype(np.float64)) / n


def _channel_moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each channel from the per-pixel ones; one number for grey."""
    mean, scale = _moments(images)
    axes = tuple(range(mean.ndim)) if mean.ndim < 3 else (0, 1)
    overall = mean.mean(axes)
    return overall, np.sqrt((scale**2 + (mean - overall) ** 2).mean(axes))
