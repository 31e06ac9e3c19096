"""Images as distances to clusters: the layers, their weights, and what cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from keras_baseline.recipe import read_config, read_recipe
from lit_mnist.data import DataOptions, Prepared, prepare
from lit_mnist.data.idx import DataError
from lit_mnist.data.kmeans import (
    ClusterFeatures,
    check_clusters,
    distances,
    features_of,
    fitted_weights,
    images_of,
    with_features,
)
from lit_mnist.errors import UserError
from lit_mnist.network import Network, as_images
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.initial import save_initial_weights, start_from_clusters
from tests.conftest import ROOT

FEATURES = ClusterFeatures(kmeans=5, n_init=1)
PLAIN: dict[str, Any] = {
    "input_shape": [8, 8, 1],
    "layers": [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Out", "units": 10, "activation": "softmax"},
    ],
}


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    spec = NetworkSpec.from_dict(PLAIN)
    return prepare(DataOptions("digits", standardize="global"), network=spec)


def fitted(prepared: Prepared, features: ClusterFeatures) -> Network:
    spec = NetworkSpec.from_dict(with_features(PLAIN, features))
    network = Network(spec, 1).eval()
    network.load_weights(network.named_weights() | fitted_weights(spec, prepared, features))
    return network


def values(network: Network, images: np.ndarray, name: str) -> np.ndarray:
    with torch.no_grad():
        return network.layer_values(as_images(images), name)[name].numpy()


def test_the_layers_measure_euclidean_distances_and_standardise_them(prepared: Prepared) -> None:
    network = fitted(prepared, FEATURES)
    images = np.asarray(prepared.train.images)
    centres = network.named_weights()["Clusters/centres"].T
    differences = images.reshape(len(images), 1, -1).astype(np.float64) - centres
    expected = np.sqrt((differences**2).sum(2))
    measured = values(network, images, "Clusters")
    np.testing.assert_allclose(measured, expected, rtol=1e-4)
    np.testing.assert_allclose(distances(images, centres), expected, rtol=1e-4)
    nearest = images.reshape(len(images), -1)[expected.argmin(1) == 0].mean(0)
    assert np.abs(nearest - centres[0]).max() < 0.5  # a centre is the mean of its images, nearly
    scaled = values(network, images, "Clusters_scaled")
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-3)


def test_distances_may_be_scaled_together(prepared: Prepared) -> None:
    network = fitted(prepared, ClusterFeatures(kmeans=5, scale="together", n_init=1))
    scaled = values(network, np.asarray(prepared.train.images), "Clusters_scaled")
    assert scaled.mean() == pytest.approx(0, abs=1e-3)
    assert scaled.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(scaled.mean(0)).max() > 0.05


def test_other_images_have_a_part_only_where_asked_for(prepared: Prepared) -> None:
    by_part = [ClusterFeatures(kmeans=5, images=part, n_init=1) for part in ("train", "all")]
    networks = [fitted(prepared, features) for features in by_part]
    alone, everything = (network.named_weights()["Clusters/centres"] for network in networks)
    assert np.abs(alone - everything).max() > 1e-3
    total = len(prepared.dataset.train_labels) + len(prepared.dataset.test_labels)
    assert len(images_of(prepared, False)) == len(prepared.train)
    assert len(images_of(prepared, True)) == total
    on_test = prepare(DataOptions("digits", validate_on="test"))
    count = len(on_test.train) + len(on_test.test)
    assert len(images_of(on_test, True)) == count  # none twice


def test_layers_are_added_once_and_train_never(prepared: Prepared) -> None:
    network = with_features(PLAIN, FEATURES)
    assert with_features(network, FEATURES) == network
    spec = NetworkSpec.from_dict(network)
    assert spec.names == ("Flatten", "Clusters", "Clusters_scaled", "Out")
    assert spec.resting_value == "Clusters_scaled"
    assert spec.trainable_parameters == 5 * 10 + 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kmeans": 1}, "data.features.kmeans = 1 cannot work"),
        ({"kmeans": 5, "images": "tain"}, "data.features.images: unknown 'tain'.*train"),
        ({"kmeans": 5, "scale": "all"}, "data.features.scale: unknown 'all'.*each"),
        ({"kmeans": 5, "n_init": 0}, r"\Adata.features.n_init = 0 cannot work"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ClusterFeatures(**settings)


def test_networks_and_images_that_cannot_work(prepared: Prepared) -> None:
    conv = PLAIN | {"layers": [{"type": "conv", "name": "C", "filters": 2}, *PLAIN["layers"]]}
    with pytest.raises(DataError, match="first layer is of the type flatten"):
        with_features(conv, FEATURES)
    with pytest.raises(DataError, match="has other layers Clusters and Clusters_scaled"):
        with_features(with_features(PLAIN, FEATURES), ClusterFeatures(kmeans=6))
    many = ClusterFeatures(kmeans=len(prepared.train))
    with pytest.raises(DataError, match="data.features.kmeans = .*accepted: 2 to"):
        fitted(prepared, many)
    with pytest.raises(DataError, match="has no layers Clusters"):
        fitted_weights(NetworkSpec.from_dict(PLAIN), prepared, FEATURES)


def test_a_configuration_names_the_layers_of_its_features() -> None:
    config = ROOT / "configs" / "studies" / "mlp_clusters.yaml"
    expected = ("Flatten", "Clusters", "Clusters_scaled", "Dense_1", "Dense_2", "Dense_3")
    assert spec_of_config(config).names == expected
    recipe = read_recipe(read_config(config), "clusters")
    assert recipe.spec.names == expected
    assert recipe.features == ClusterFeatures(kmeans=70)
    for values, message in (
        ({"kmean": 3}, "accepted: the key kmeans"),
        ({"kmeans": 3, "image": "all"}, "unknown key 'image'.*images"),
    ):
        with pytest.raises(DataError, match=message):
            features_of({"features": values})


def test_clusters_of_initial_weights_stay(prepared: Prepared, tmp_path: Path) -> None:
    plain = with_features(PLAIN, FEATURES)
    fresh = LitClassifier(plain)
    drawn = fresh.network.named_weights()["Clusters/centres"].copy()
    save_initial_weights(fresh.network, tmp_path / "weights.safetensors")
    taken = LitClassifier(plain, initial_weights=str(tmp_path / "weights.safetensors"))
    for model in (fresh, taken):
        start_from_clusters(model.network, model.start, prepared, FEATURES)
    assert np.array_equal(taken.network.named_weights()["Clusters/centres"], drawn)
    assert not np.array_equal(fresh.network.named_weights()["Clusters/centres"], drawn)


def test_clusters_that_initial_weights_lack_are_fitted(prepared: Prepared, tmp_path: Path) -> None:
    """All other layers are taken; a run that fits no clusters refuses such a source."""
    wide = {"type": "dense", "name": "Wide", "units": 5, "activation": "relu"}
    source = PLAIN | {"layers": [PLAIN["layers"][0], wide, PLAIN["layers"][1]]}
    path = tmp_path / "weights.safetensors"
    other = Network(NetworkSpec.from_dict(source), 3)
    save_initial_weights(other, path)
    model = LitClassifier(with_features(PLAIN, FEATURES), initial_weights=str(path))
    assert model.start is not None
    table = model.start.text()
    assert "fitted: 2 layers" in table
    assert "Clusters_scaled  11  (by data.features, to the images)" in table
    with pytest.raises(UserError, match="lacks Clusters and Clusters_scaled.*data.features"):
        check_clusters(model.start, None)
    check_clusters(model.start, FEATURES)
    drawn = model.network.named_weights()
    start_from_clusters(model.network, model.start, prepared, FEATURES)
    weights = model.network.named_weights()
    assert not np.array_equal(weights["Clusters/centres"], drawn["Clusters/centres"])
    assert np.array_equal(weights["Out/kernel"], other.named_weights()["Out/kernel"])


def test_the_default_range_of_initial_weights_may_be_named() -> None:
    plain = PLAIN | {"initializer": "inverse_sqrt_uniform"}
    named = NetworkSpec.from_dict(plain | {"initializer_scale": 2.0})
    assert named == NetworkSpec.from_dict(plain)
    assert "initializer_scale" not in named.to_dict()
