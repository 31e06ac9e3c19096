"""Stroke width by distance transform, and how it is brought to MNIST's."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .resample import area_mean

BOX = 20  # MNIST's digits fill a box of 20 pixels, placed by their centre of mass in 28 x 28 (LeCun et al. 1998)
SIZE = 28
THINNEST, THICKEST = 2.0, 2.6  # stroke widths in the box that stay as they are, pixels
_DETAIL = 160  # pixels of the longest side in which strokes are measured and changed


def stroke_width(mask: np.ndarray) -> float:
    """Return the median width of the strokes of `mask` (H, W) in pixels: twice the distance transform on its ridge."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))
    ridge = (depth > 0) & (depth >= ndimage.maximum_filter(depth, 3))
    return float(2 * np.median(depth[ridge]) - 1)


def with_width(mask: np.ndarray) -> np.ndarray:
    """Return `mask` with its strokes widened or narrowed so that they will be MNIST's once it fills the box.

    Widening by d on each side turns a digit of length L with strokes w into L + 2 d and w + 2 d; the
    wanted ratio of the two gives d.
    """
    length, width = max(extent(mask)), stroke_width(mask)
    target = float(np.clip(width * BOX / length, THINNEST, THICKEST))
    change = (target * length - BOX * width) / (2 * (BOX - target))
    if abs(change) < 0.5:
        return mask
    padded = np.pad(mask, int(np.ceil(abs(change))) + 1)
    if change > 0:
        return ndimage.distance_transform_edt(~padded) <= change
    return _narrowed(padded, -change)


def _narrowed(mask: np.ndarray, change: float) -> np.ndarray:
    """Take `change` pixels off each side, but leave the middle line of strokes that are thinner than that."""
    depth = ndimage.distance_transform_edt(mask)
    ridge = (depth > 0) & (depth >= ndimage.maximum_filter(depth, 3))
    thin = ridge & (depth <= change + 1)
    return (depth > change) | thin


def extent(mask: np.ndarray) -> tuple[int, int]:
    """Return height and width of what is set in `mask`."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def cropped(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the box that holds all that is set in `mask`."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def in_detail(contrast: np.ndarray, kept: np.ndarray, threshold: float) -> np.ndarray:
    """Return a smooth-edged mask of the writing `kept`, enlarged to a longest side of 160 pixels.

    The edge is where `contrast`, interpolated, crosses `threshold`.
    """
    near = ndimage.binary_dilation(kept, np.ones((3, 3)))
    box = cropped(near)
    values = np.where(near, contrast, 0)[box]
    values = np.pad(values, 1)
    factor = max(1.0, _DETAIL / max(values.shape))
    if factor > 1:
        values = ndimage.zoom(values, factor, order=1, grid_mode=True, mode="nearest")
        values = ndimage.gaussian_filter(values, 0.4 * factor)
    return values >= threshold


def in_frame(mask: np.ndarray) -> np.ndarray:
    """Return `mask` as MNIST would hold it: (28, 28), 0 to 255, longest side 20, centre of mass in the middle."""
    mask = mask[cropped(mask)].astype(float)
    step = max(mask.shape) / BOX
    edges = [_edges(mask.sum(axis=1 - axis), step) for axis in (0, 1)]
    return 255 * area_mean(mask, *edges)


def _edges(profile: np.ndarray, step: float) -> np.ndarray:
    centre = (profile * (np.arange(len(profile)) + 0.5)).sum() / profile.sum()
    return centre + step * (np.arange(SIZE + 1) - SIZE / 2)
