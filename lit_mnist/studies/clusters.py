"""Quality of clusters of images, by number of clusters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.kmeans import KMeans, rows_of
from ..data.standardize import Standardizer
from ..errors import UserError, need_whole


@dataclass(frozen=True)
class Clustering:
    """`k` clusters of standardised images: centres (k, H, W) or (k, H, W, C), and measures of
    quality.

    `inertia` is the sum of squared distances of the images to their centres. `silhouette` is the
    mean coefficient of a sample, -1 to 1 (Rousseeuw 1987). `seconds` is the processor time of the
    clustering.
    """

    k: int
    centres: np.ndarray
    inertia: float
    silhouette: float
    seconds: float

    def pictures(self, standardizer: Standardizer) -> np.ndarray:
        """Return the centres as pixels, 0 to 255."""
        return standardizer.invert(self.centres).clip(0, 255)


def clusterings(
    images: np.ndarray, numbers: Sequence[int], settings: KMeans, sample: int = 5000
) -> Iterator[Clustering]:
    """Yield a clustering of standardised `images` for each of `numbers`, with the silhouette of
    `sample` images.

    Raises UserError for fewer images than clusters, and for fewer than two clusters.
    """
    for k in numbers:
        if not 2 <= k < len(images):
            raise UserError(f"--k {k}: cannot work; accepted: 2 to {len(images) - 1}")
    need_whole("--sample", sample)
    rows = rows_of(images)
    chosen = np.random.default_rng(settings.seed).permutation(len(rows))[:sample]
    for k in numbers:
        yield _clustered(rows, images.shape[1:], k, settings, chosen)


def _clustered(
    rows: np.ndarray, shape: tuple[int, ...], k: int, settings: KMeans, sample: np.ndarray
) -> Clustering:
    began = time.process_time()
    model = settings.fit(rows, k)
    seconds = time.process_time() - began
    centres = np.asarray(model.cluster_centers_).reshape(k, *shape)
    score = _silhouette(rows[sample], np.asarray(model.labels_)[sample])
    return Clustering(k, centres, float(model.inertia_), score, seconds)


def _silhouette(rows: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette coefficient; NaN if all are in one cluster, or each in its own."""
    from sklearn.metrics import silhouette_score

    present = len(np.unique(labels))
    return float(silhouette_score(rows, labels)) if 1 < present < len(rows) else float("nan")
