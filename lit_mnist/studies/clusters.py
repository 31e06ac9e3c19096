"""Clusters of images by k-means, how good they are for each number of clusters, and images as distances to them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.prepare import Part, Prepared
from ..data.standardize import Standardizer
from ..errors import UserError


@dataclass(frozen=True)
class Clustering:
    """`k` clusters of standardised images: their centres (k, H, W) or (k, H, W, C), and what tells how good they are.

    `inertia` is the sum of squared distances of the images to their centres, `silhouette` the mean coefficient of a
    sample, -1 to 1 (Rousseeuw 1987); `seconds` is the processor time of the clustering alone.
    """

    k: int
    centres: np.ndarray
    inertia: float
    silhouette: float
    seconds: float
    model: Any

    def distances(self, images: np.ndarray) -> np.ndarray:
        """Return the distance of each standardised image to each centre, float32 (n, k)."""
        return self.model.transform(_rows(images)).astype(np.float32)

    def pictures(self, standardizer: Standardizer) -> np.ndarray:
        """Return the centres as pixels, 0 to 255."""
        return standardizer.invert(self.centres).clip(0, 255)


@dataclass(frozen=True)
class Settings:
    """How k-means runs: starts, images of a batch, rounds at most, seed, images of the silhouette's sample."""

    n_init: int = 3
    batch_size: int = 500
    max_iter: int = 100
    seed: int = 1
    sample: int = 5000

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            least = 0 if key == "seed" else 1
            if value < least:
                raise UserError(
                    f"--{key} {value}: cannot work; accepted: a whole number of {least} or more"
                )


def clusterings(
    images: np.ndarray, numbers: Sequence[int], settings: Settings
) -> Iterator[Clustering]:
    """Yield a clustering of standardised `images` for each of `numbers`, by scikit-learn's MiniBatchKMeans.

    Raises UserError where there are fewer images than clusters, or fewer than two clusters.
    """
    for k in numbers:
        if not 2 <= k < len(images):
            raise UserError(f"--k {k}: cannot work; accepted: 2 to {len(images) - 1}")
    rows = _rows(images)
    chosen = np.random.default_rng(settings.seed).permutation(len(rows))[: settings.sample]
    for k in numbers:
        yield _clustered(rows, images.shape[1:], k, settings, chosen)


def _clustered(
    rows: np.ndarray, shape: tuple[int, ...], k: int, settings: Settings, sample: np.ndarray
) -> Clustering:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import silhouette_score

    model = MiniBatchKMeans(
        k,
        n_init=settings.n_init,  # pyright: ignore[reportArgumentType] (a number too)
        batch_size=settings.batch_size,
        max_iter=settings.max_iter,
        random_state=settings.seed,
    )
    began = time.process_time()
    model.fit(rows)
    seconds = time.process_time() - began
    labels = np.asarray(model.labels_)
    present = len(np.unique(labels[sample]))
    score = silhouette_score(rows[sample], labels[sample]) if 1 < present < len(sample) else np.nan
    centres = np.asarray(model.cluster_centers_).reshape(k, *shape)
    return Clustering(k, centres, float(model.inertia_), float(score), seconds, model)


def distance_arrays(clustering: Clustering, prepared: Prepared) -> dict[str, np.ndarray]:
    """Return x_train, y_train, x_test and y_test: images as their distances, a row of `k` bytes each.

    Bytes, because that is what data sets of arrays hold: each cluster's distances from the smallest to the largest
    of the training images become 0 to 255. Training and validation images stay together, in their order.
    """
    parts = [prepared.train, *([prepared.validation] if prepared.validation else [])]
    train = np.concatenate([clustering.distances(np.asarray(part.images)) for part in parts])
    test = clustering.distances(np.asarray(prepared.test.images))
    low = train.min(0)
    spread = np.maximum(train.max(0) - low, np.finfo(np.float32).tiny)

    def as_bytes(values: np.ndarray) -> np.ndarray:
        return np.rint(255 * ((values - low) / spread).clip(0, 1)).astype(np.uint8)

    return {
        "x_train": as_bytes(train),
        "y_train": np.concatenate([part.labels for part in parts]),
        "x_test": as_bytes(test),
        "y_test": prepared.test.labels,
    }


def images_of(prepared: Prepared, everything: bool) -> np.ndarray:
    """Return the standardised training images, or with `everything` those that validate and test too."""
    parts: list[Part] = [prepared.train]
    if everything:
        parts += [part for part in (prepared.validation, prepared.test) if part is not None]
    return np.concatenate([np.asarray(part.images) for part in parts])


def _rows(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.reshape(len(images), -1), np.float32)
