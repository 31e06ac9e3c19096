"""Clusters: planted ones are found, distances are what they say, and a network trains on them."""

from __future__ import annotations

import numpy as np
import pytest

from lit_mnist.data import DataOptions, prepare
from lit_mnist.errors import UserError
from lit_mnist.studies.clusters import Settings, clusterings, distance_arrays, images_of

OPTIONS = DataOptions(
    "digits", standardize="global", validation_fraction=0.2, validate_on="validation"
)


def planted() -> np.ndarray:
    """Images of 4 x 3 around three centres far apart."""
    generator = np.random.default_rng(0)
    centres = 10 * np.eye(3, 12).reshape(3, 1, 4, 3)
    return (centres + generator.normal(0, 0.1, (3, 50, 4, 3))).reshape(150, 4, 3)


def test_planted_clusters_are_found() -> None:
    few, right = clusterings(planted(), [2, 3], Settings(sample=100))
    assert right.silhouette > 0.95 > few.silhouette
    assert right.inertia < 0.05 * few.inertia
    expected = {0, 1, 2}
    assert {int(np.argmax(centre)) for centre in right.centres} == expected
    assert right.centres.max((1, 2)) == pytest.approx([10] * 3, abs=0.2)
    assert right.inertia == pytest.approx(150 * 12 * 0.01, rel=0.1)


def test_distances_are_euclidean_and_written_as_bytes() -> None:
    prepared = prepare(OPTIONS)
    (clustering,) = clusterings(images_of(prepared, False), [5], Settings(n_init=1, sample=200))
    images = np.asarray(prepared.test.images)
    differences = images[:, None] - clustering.centres[None]
    expected = np.sqrt((differences.reshape(len(images), 5, -1) ** 2).sum(2))
    np.testing.assert_allclose(clustering.distances(images), expected, rtol=1e-4)
    arrays = distance_arrays(clustering, prepared)
    assert arrays["x_train"].dtype == arrays["x_test"].dtype == np.uint8
    assert arrays["x_train"].min(0).tolist() == [0] * 5
    assert arrays["x_train"].max(0).tolist() == [255] * 5
    assert len(arrays["x_train"]) == len(prepared.dataset.train_labels)
    np.testing.assert_array_equal(arrays["y_train"], prepared.dataset.train_labels)
    order = np.argsort(clustering.distances(images)[:, 2])
    assert (np.diff(arrays["x_test"][order, 2].astype(int)) >= 0).all()


def test_test_images_have_no_part_unless_asked_for() -> None:
    prepared = prepare(OPTIONS)
    alone = images_of(prepared, False)
    assert len(alone) == len(prepared.train)
    everything = len(prepared.dataset.train_labels) + len(prepared.dataset.test_labels)
    assert len(images_of(prepared, True)) == everything


def test_numbers_that_cannot_work() -> None:
    for k in (1, 150):
        with pytest.raises(UserError, match=f"--k {k}: cannot work"):
            list(clusterings(planted(), [3, k], Settings()))
    with pytest.raises(UserError, match="--n_init 0"):
        Settings(n_init=0)
