"""Stroke width by distance transform, and its change to MNIST's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .ink import otsu, separability
from .resample import area_mean, edge_distance, label

# MNIST's digits fill a box of 20 pixels, placed by their centre of mass in 28 x 28 (LeCun et al.
# 1998)
BOX = 20
SIZE = 28
# stroke widths in the box that stay as they are, pixels
THINNEST = 2.0
THICKEST = 2.6
_DETAIL = 160  # pixels of the longest side in which strokes are measured and changed


@dataclass(frozen=True)
class Strokes:
    """Measurements that distinguish writing from other things, before the stroke width is changed.

    `variation`: standard deviation of the stroke width divided by its mean; `separability` of ink
    and paper around the writing (`ink.separability`); `fill`: ink in the writing's box;
    `tallness`: logarithm of that box's height divided by its width;
    `touches`: whether the writing touches the picture's border; `dropped`: the part of the
    picture's ink that is not the writing's; `pieces` and `holes` of the ink.
    """

    variation: float
    separability: float
    fill: float
    tallness: float
    touches: bool
    dropped: float
    pieces: int
    holes: int


def measure(mask: np.ndarray, contrast: np.ndarray, touches: bool, dropped: float) -> Strokes:
    """Measure the strokes of `mask` (H, W) and the `contrast` (h, w) around them."""
    depth = edge_distance(np.pad(mask, 1))
    widths = depth[_ridge(depth)]
    raised = contrast - contrast.min()
    least = 0.002 * max(extent(mask)) ** 2  # pixels; smaller ones are ragged edges
    height, width = extent(mask)
    holes = _count(depth == 0, least) - 1
    pieces = _count(mask, least, corners=True)
    return Strokes(
        float(widths.std() / widths.mean()),
        separability(raised, raised < otsu(raised)),
        float(mask[cropped(mask)].mean()),
        math.log(height / width),
        touches,
        dropped,
        pieces,
        holes,
    )


def _count(mask: np.ndarray, least: float, corners: bool = False) -> int:
    """Return the number of components of `mask` with more than `least` pixels."""
    return int((np.bincount(label(mask, corners).ravel())[1:] > least).sum())


def _ridge(depth: np.ndarray) -> np.ndarray:
    """Return the middle lines of strokes: the ridge of their distance transform `depth` (H, W)."""
    return (depth > 0) & (depth >= ndimage.maximum_filter(depth, 3))


def stroke_width(mask: np.ndarray) -> float:
    """Return the median stroke width of `mask` (H, W) in pixels.

    It is twice the distance transform on its ridge.
    """
    depth = edge_distance(np.pad(mask, 1))
    return float(2 * np.median(depth[_ridge(depth)]) - 1)


def with_width(mask: np.ndarray) -> np.ndarray:
    """Return `mask` with strokes widened or narrowed to MNIST's width once it fills the box.

    Widening by d on each side turns a digit of length L with strokes w into L + 2 d and w + 2 d;
    the target ratio of the two gives d.
    """
    length = max(extent(mask))
    width = stroke_width(mask)
    target = float(np.clip(width * BOX / length, THINNEST, THICKEST))
    change = (target * length - BOX * width) / (2 * (BOX - target))
    if abs(change) < 0.5:
        return mask
    padded = np.pad(mask, int(np.ceil(abs(change))) + 1)
    if change > 0:
        return edge_distance(~padded) <= change
    return _narrowed(padded, -change)


def _narrowed(mask: np.ndarray, change: float) -> np.ndarray:
    """Remove `change` pixels from each side, but keep the middle line of thin strokes."""
    depth = edge_distance(mask)
    thin = _ridge(depth) & (depth <= change + 1)
    return (depth > change) | thin


def extent(mask: np.ndarray) -> tuple[int, int]:
    """Return height and width of the set pixels of `mask`."""
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def cropped(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the box around the set pixels of `mask`."""
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def in_detail(contrast: np.ndarray, kept: np.ndarray, threshold: float) -> np.ndarray:
    """Return a smooth-edged mask of the writing `kept`, enlarged to a longest side of 160 pixels.

    The edge is where the interpolated `contrast` crosses `threshold`, or half of the highest
    contrast if that is lower, for blurred hair lines.
    """
    near = ndimage.binary_dilation(kept, np.ones((3, 3)))
    values = np.pad(np.where(near, contrast, 0)[cropped(near)], 1)
    factor = max(1.0, _DETAIL / max(values.shape))
    if factor > 1:
        values = ndimage.zoom(values, factor, order=1, grid_mode=True, mode="nearest")
        values = ndimage.gaussian_filter(values, 0.4 * factor)
    return values >= min(threshold, 0.5 * values.max())


def in_frame(mask: np.ndarray) -> np.ndarray:
    """Return `mask` in MNIST's form: (28, 28), 0 to 255, longest side 20, centred by mass."""
    mask = mask[cropped(mask)].astype(float)
    step = max(mask.shape) / BOX
    edges = [_edges(mask.sum(axis=1 - axis), step) for axis in (0, 1)]
    return 255 * area_mean(mask, *edges)


def _edges(profile: np.ndarray, step: float) -> np.ndarray:
    centre = (profile * (np.arange(len(profile)) + 0.5)).sum() / profile.sum()
    return centre + step * (np.arange(SIZE + 1) - SIZE / 2)
