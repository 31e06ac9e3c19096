"""Ruled and squared paper: straight lines are detected and removed, and strokes repaired."""

from __future__ import annotations

import numpy as np

from .resample import resize

_STRIPS = 20
_SLOPES = np.linspace(-0.08, 0.08, 33)
_MISSING = 3  # strips in which a line may be missing
_INK = 0.6  # of the strokes' contrast: a single line as dark as this is a stroke


def without_lines(contrast: np.ndarray, faintest: float) -> np.ndarray:
    """Return `contrast` (H, W) without ruled lines in both directions darker than `faintest`."""
    return _without_rows(_without_rows(contrast, faintest).T, faintest).T


def _without_rows(contrast: np.ndarray, faintest: float) -> np.ndarray:
    height, width = contrast.shape
    if height < 2 * _STRIPS or width < 2 * _STRIPS:
        return contrast  # too small for lines and strokes to differ
    strips = resize(contrast, (height, _STRIPS))
    profiles = [_profile(strips, slope * width / _STRIPS) for slope in _SLOPES]
    best = int(np.argmax([(profile.clip(0) ** 2).sum() for profile in profiles]))
    line = profiles[best]
    rows = line > faintest
    tail = max(4, contrast.size // 500)
    ink = np.partition(contrast, -tail, axis=None)[-tail:].mean()
    single = np.count_nonzero(np.diff(rows.astype(int)) == 1) < 2
    if single:
        rows &= line < _INK * ink
    if not rows.any() or rows.mean() > 0.5:
        return contrast
    return _mended(contrast, line, rows, _SLOPES[best], ink)


def _profile(strips: np.ndarray, step: float) -> np.ndarray:
    """Return the contrast that nearly all strips reach. The line falls `step` rows a strip."""
    y = np.arange(len(strips))
    offsets = step * (np.arange(_STRIPS) - (_STRIPS - 1) / 2)
    moved = [
        np.interp(y + offset, y, strip) for offset, strip in zip(offsets, strips.T, strict=True)
    ]
    return np.partition(moved, _MISSING, axis=0)[_MISSING]


def _mended(
    contrast: np.ndarray, line: np.ndarray, rows: np.ndarray, slope: float, ink: float
) -> np.ndarray:
    """Replace line pixels by those above and below, except in darker strokes."""
    height, width = contrast.shape
    y = np.arange(height)
    near = np.convolve(rows, np.ones(3), "same") > 0
    mended = contrast.copy()
    for x in range(width):
        offset = slope * (x - (width - 1) / 2)
        hidden = np.interp(y - offset, y, near.astype(float)) > 0.01
        if hidden.all():
            continue
        across = np.interp(y, y[~hidden], contrast[~hidden, x])
        level = np.interp(y - offset, y, line)
        darker = contrast[:, x] > level + 0.4 * (ink - level)
        mended[:, x] = np.where(
            hidden & ~darker, np.minimum(across, contrast[:, x]), contrast[:, x]
        )
    return mended
