"""The ink on each pixel, without uneven light, ruled lines and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .lines import without_lines
from .resample import shrink

_GRID = 32  # pixels of the reduced picture in which the light is estimated
_CLEAR = 0.8  # separability above which ink and paper are two classes
_FAINTEST = 5.0  # grey levels out of 255 that a stroke must differ from its paper


@dataclass(frozen=True)
class Ink:
    """`contrast` (H, W) with the paper in grey levels, its `threshold`, and its `noise`.

    The noise is a standard deviation.
    """

    contrast: np.ndarray
    threshold: float
    noise: float


def find_ink(grey: np.ndarray) -> Ink:
    """Return the ink of a grey picture (H, W), 0 to 255, dark on light or light on dark."""
    dark = grey if is_dark_on_light(grey) else 255.0 - grey
    contrast, noise = _from_paper(dark_contrast(dark))
    contrast = without_lines(contrast, max(_FAINTEST, noise))
    return Ink(contrast, max(_FAINTEST, 4 * noise, 0.8 * otsu(contrast)), noise)


def is_dark_on_light(grey: np.ndarray) -> bool:
    """Return whether strokes are darker than the border, whose light may change linearly."""
    difference = grey - _border_plane(grey)
    tail = max(4, grey.size // 500)
    ordered = np.partition(difference, [tail, -tail], axis=None)
    return bool(-ordered[:tail].mean() >= ordered[-tail:].mean())


def _border_plane(grey: np.ndarray) -> np.ndarray:
    """Return the plane a + b y + c x through the outermost pixels by least squares.

    Outliers are removed once.
    """
    height, width = grey.shape
    y, x = np.mgrid[:height, :width]
    ring = np.ones(grey.shape, bool)
    margin = max(1, min(grey.shape) // 28)
    ring[margin:-margin, margin:-margin] = False
    terms = np.stack([np.ones(grey.shape), y / height, x / width], axis=-1)
    values = grey[ring]
    design = terms[ring]
    kept = np.abs(values - np.median(values)) <= 3 * 1.4826 * _mad(values) + 8
    slopes, *_ = np.linalg.lstsq(design[kept], values[kept], rcond=None)
    return terms @ slopes


def _mad(values: np.ndarray) -> float:
    return float(np.median(np.abs(values - np.median(values))))


def dark_contrast(grey: np.ndarray) -> np.ndarray:
    """Return paper minus `grey`, with the paper's light estimated around each pixel.

    The estimate is a high percentile of a wide window, then repeatedly the mean of blank pixels,
    weighted by distance.
    """
    small = shrink(grey, _GRID)
    window = max(3, round(0.45 * max(small.shape)))
    paper = ndimage.percentile_filter(small, 80, window, mode="nearest")
    spread = max(1.0, 0.1 * max(small.shape))
    for _ in range(3):
        difference = paper - small
        limit = max(_FAINTEST, 0.5 * otsu(difference))
        blank = (np.abs(difference) < limit).astype(float)
        weight = ndimage.gaussian_filter(blank, spread, mode="nearest")
        level = ndimage.gaussian_filter(blank * small, spread, mode="nearest") / np.maximum(
            weight, 1e-6
        )
        paper = np.where(weight > 0.02, level, paper)
    return _enlarged(paper, grey.shape) - grey


def _enlarged(small: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if small.shape == shape:
        return small
    y = (np.arange(shape[0]) + 0.5) * small.shape[0] / shape[0] - 0.5
    x = (np.arange(shape[1]) + 0.5) * small.shape[1] / shape[1] - 0.5
    return ndimage.map_coordinates(small, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")


def _from_paper(contrast: np.ndarray) -> tuple[np.ndarray, float]:
    """Return `contrast` with the paper at 0, and the standard deviation of the paper's grain.

    If two classes are clearly separated, the paper is the lighter one: bold strokes may cover most
    of a small picture. Otherwise nearly everything is paper.
    """
    raised = contrast - contrast.min()
    lighter = raised < otsu(raised)
    apart = separability(raised, lighter) > _CLEAR
    paper = contrast[lighter] if apart else contrast
    return contrast - np.median(paper), 1.4826 * _mad(paper)


def separability(values: np.ndarray, lighter: np.ndarray) -> float:
    """Return the fraction of the variance of `values` between the classes.

    Gaussian noise in halves has 0.64.
    """
    fraction = lighter.mean()
    variance = values.var()
    if variance == 0 or fraction in (0, 1):
        return 0.0
    return float(
        fraction
        * (1 - fraction)
        * (values[~lighter].mean() - values[lighter].mean()) ** 2
        / variance
    )


def otsu(values: np.ndarray, bins: int = 128) -> float:
    """Return the threshold that best separates `values` in two; values below 0 count as 0.

    N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979.
    """
    clipped = np.clip(values, 0, None)
    top = float(clipped.max())
    if top <= 0:
        return 0.0
    counts, edges = np.histogram(clipped, bins, (0, top))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = (sums[-1] - sums[:-1]) / above - sums[:-1] / below
        between = np.nan_to_num(below * above * gap**2)
    best = np.flatnonzero(
        between >= between.max() * (1 - 1e-9)
    )  # a gap gives a plateau: take its middle
    return float(edges[1:][best].mean())
