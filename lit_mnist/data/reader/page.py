"""A sheet of paper on a darker or lighter background, found by its shape and cut out."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from .ink import otsu
from .resample import label, shrink

_GRID = 128  # pixels of the reduced picture in which the sheet is looked for
_SMALLEST = 0.15  # of the picture; smaller things are digits
_SOLID = 0.8  # of the sheet's area is blank
_STRAIGHT = 0.85  # of its smallest upright or turned rectangle; an ellipse fills 0.79 of it
_MARGIN = 0.03  # of the sheet's size is cut off: its edge casts a shadow


def cut_out_page(grey: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the sheet in `grey` (H, W), extended to a rectangle, and its top and left.

    Without a sheet that is `grey` itself. A sheet is a straight-edged area with marks on it, of
    another brightness than most of the picture's border.
    """
    page = _page(shrink(grey, _GRID))
    if page is None:
        return grey, (0, 0)
    margin = max(1, round(_MARGIN * np.sqrt(page.sum())))
    page = np.asarray(ndimage.binary_erosion(page, np.ones((3, 3)), margin))
    if not page.any():
        return grey, (0, 0)
    rows = np.arange(grey.shape[0]) * page.shape[0] // grey.shape[0]
    columns = np.arange(grey.shape[1]) * page.shape[1] // grey.shape[1]
    mask = page[np.ix_(rows, columns)]
    (top, left), (bottom, right) = np.argwhere(mask).min(0), np.argwhere(mask).max(0) + 1
    box = slice(top, bottom), slice(left, right)
    return _continued(grey[box], mask[box]), (int(top), int(left))


def _page(small: np.ndarray) -> np.ndarray | None:
    bright = small > otsu(small)
    border = np.concatenate([bright[0], bright[-1], bright[1:-1, 0], bright[1:-1, -1]])
    labels = label(bright != (border.mean() > 0.5))
    if not labels.any():
        return None
    largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    filled = np.asarray(ndimage.binary_fill_holes(largest))
    marked = largest.sum() < filled.sum()
    sheet = marked and filled.mean() > _SMALLEST and largest.sum() > _SOLID * filled.sum()
    return filled if sheet and filled.sum() > _STRAIGHT * _smallest_rectangle(filled) else None


def _smallest_rectangle(mask: np.ndarray) -> float:
    """Return the area of the smallest rectangle around `mask`.

    One of its sides is on the convex hull.
    """
    pixels = np.argwhere(mask)
    points = np.concatenate([pixels, pixels + [0, 1], pixels + [1, 0], pixels + [1, 1]]).astype(
        float
    )
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        return np.inf
    sides = np.roll(corners, -1, axis=0) - corners
    along = sides / np.linalg.norm(sides, axis=1, keepdims=True)
    across = along[:, ::-1] * [1, -1]
    return float((np.ptp(corners @ along.T, axis=0) * np.ptp(corners @ across.T, axis=0)).min())


def _continued(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return `grey` with pixels outside `mask` replaced by the nearest pixel inside."""
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    return grey[rows, columns]
