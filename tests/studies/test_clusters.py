"""Clusters: planted ones are found, and what cannot work is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lit_mnist.data.kmeans import KMeans
from lit_mnist.errors import UserError
from lit_mnist.studies.clusters import clusterings


def planted() -> np.ndarray:
    """Images of 4 x 3 around three centres far apart."""
    generator = np.random.default_rng(0)
    centres = 10 * np.eye(3, 12).reshape(3, 1, 4, 3)
    return (centres + generator.normal(0, 0.1, (3, 50, 4, 3))).reshape(150, 4, 3)


def test_planted_clusters_are_found() -> None:
    few, right = clusterings(planted(), [2, 3], KMeans(), sample=100)
    assert right.silhouette > 0.95 > few.silhouette
    assert right.inertia < 0.05 * few.inertia
    expected = {0, 1, 2}
    assert {int(np.argmax(centre)) for centre in right.centres} == expected
    assert right.centres.max((1, 2)) == pytest.approx([10] * 3, abs=0.2)
    assert right.inertia == pytest.approx(150 * 12 * 0.01, rel=0.1)


def test_numbers_that_cannot_work() -> None:
    for k in (1, 150):
        with pytest.raises(UserError, match=f"--k {k}: cannot work"):
            list(clusterings(planted(), [3, k], KMeans()))
    with pytest.raises(UserError, match="--sample = 0 cannot work"):
        list(clusterings(planted(), [3], KMeans(), sample=0))
    with pytest.raises(UserError, match=r"\A--n_init = 0 cannot work"):
        KMeans(n_init=0)
