"""Antialiased resampling: each new pixel is the mean over the old area that it covers."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def area_mean(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the mean of `image` (H, W) over the cells between edges `rows` and `columns`.

    There are h + 1 and w + 1 edges; the image is 0 outside.
    """
    return _means(_means(image, rows).T, columns).T


def _means(image: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the mean rows of `image` (H, W) between `edges` (h + 1,), by a running sum."""
    height = len(image)
    sums = np.concatenate([np.zeros((1, image.shape[1])), np.cumsum(image, axis=0)])
    inside = edges.clip(0, height)
    below = np.minimum(inside.astype(int), height - 1)
    part = (inside - below)[:, None]
    at_edges = (1 - part) * sums[below] + part * sums[below + 1]
    return np.diff(at_edges, axis=0) / np.diff(edges)[:, None]


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return `image` (H, W) shrunk to `shape`, each new pixel the mean of its area."""
    grids = [np.linspace(0, old, new + 1) for old, new in zip(image.shape, shape, strict=True)]
    return area_mean(image, *grids)


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """Return `image` with its longest side at most `longest`, aspect kept."""
    factor = longest / max(image.shape)
    if factor >= 1:
        return image
    height, width = (max(1, round(size * factor)) for size in image.shape)
    return resize(image, (height, width))


def edge_distance(mask: np.ndarray) -> np.ndarray:
    """Return each pixel's distance to the nearest one outside `mask` (H, W), 0 there."""
    return np.asarray(ndimage.distance_transform_edt(mask))


def label(mask: np.ndarray, corners: bool = False) -> np.ndarray:
    """Return the component of each pixel of `mask` (H, W): from 1, 0 outside.

    Pixels connect by sides, with `corners` also by corners.
    """
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, np.ones((3, 3)) if corners else None, output=labels)
    return labels
