"""Images as distances to k-means clusters, and the layers that measure the distances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from ..errors import nearest, need_whole
from ..spec import NetworkSpec, layer_from_dict
from ..spec.layers import LEAST_SQUARE
from ..spec.start import Start, WeightsError
from ..spec.weights import Weights
from .idx import DataError
from .prepare import LazyImages, Part, Prepared, channels_last

CENTRES = "Clusters"
SCALE = "Clusters_scaled"
LAYERS = (CENTRES, SCALE)
_CHUNK = 4096  # images whose distances are computed at a time
_CHOICES = {"images": ("train", "all"), "scale": ("each", "together")}


@dataclass(frozen=True)
class KMeans:
    """Settings of k-means: random starts, images of a batch, rounds over the images, seed.

    `spelling` is what stands before a setting's name where a user gives it.
    """

    n_init: int = 3
    batch_size: int = 500
    max_iter: int = 100
    seed: int = 1
    spelling: ClassVar[str] = "--"

    def __post_init__(self) -> None:
        for entry in fields(KMeans):
            least = 0 if entry.name == "seed" else 1
            value = getattr(self, entry.name)
            need_whole(self.spelling + entry.name, value, least=least, error=DataError)

    def fit(self, rows: np.ndarray, k: int) -> Any:
        """Return scikit-learn's MiniBatchKMeans with `k` clusters of `rows` (n, features)."""
        from sklearn.cluster import MiniBatchKMeans

        model = MiniBatchKMeans(
            k,
            n_init=self.n_init,  # pyright: ignore[reportArgumentType] (a number too)
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            random_state=self.seed,
        )
        return model.fit(rows)


@dataclass(frozen=True)
class ClusterFeatures(KMeans):
    """`kmeans` clusters of standardised images, whose distances replace the pixels.

    images: train, or all, in which case validation and test images take part in the centres (the
    source's way). scale: each centre's distances are standardised, or all together, fitted on the
    training images. n_init, batch_size, max_iter, seed: those of scikit-learn's MiniBatchKMeans.
    """

    kmeans: int = field(kw_only=True)
    images: str = field(default="train", kw_only=True)
    scale: str = field(default="each", kw_only=True)
    spelling: ClassVar[str] = "data.features."

    def __post_init__(self) -> None:
        super().__post_init__()
        need_whole("data.features.kmeans", self.kmeans, least=2, error=DataError)
        for key, accepted in _CHOICES.items():
            value = getattr(self, key)
            if value not in accepted:
                raise DataError(
                    f"data.features.{key}: unknown {value!r}; {nearest(value, accepted)}"
                )

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The layers that measure and scale the distances, as plain values."""
        axis = {} if self.scale == "each" else {"axis": None}
        return [
            {"type": "distances", "name": CENTRES, "units": self.kmeans, "trainable": False},
            {"type": "normalization", "name": SCALE} | axis,
        ]


def features_of(data: Mapping[str, Any]) -> ClusterFeatures | None:
    """Return the ``features`` of a configuration's ``data``, None without; raise DataError naming
    the key.
    """
    values = data.get("features")
    if not values:
        return None
    accepted = [entry.name for entry in fields(ClusterFeatures)]
    if not isinstance(values, Mapping) or "kmeans" not in values:
        raise DataError(
            f"data.features = {values!r} cannot work; accepted: the key kmeans, a number"
        )
    for key in values:
        if key not in accepted:
            raise DataError(f"data.features: unknown key {key!r}; {nearest(str(key), accepted)}")
    return ClusterFeatures(**values)


def network_of(network: Mapping[str, Any], data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a plain description with the layers for the ``features`` of a configuration's
    ``data``.

    Without features it is unchanged. Raises DataError.
    """
    features = features_of(data)
    return network if features is None else with_features(network, features)


def with_features(network: Mapping[str, Any], features: ClusterFeatures) -> dict[str, Any]:
    """Return a plain description whose first dense layer reads distances.

    The layers follow the flattened image; a network that has them is unchanged. Raises DataError
    for a network that does not begin with a flatten layer.
    """
    layers = list(network.get("layers") or ())
    own = [entry for entry in layers if isinstance(entry, Mapping) and entry.get("name") in LAYERS]
    if own:
        _check_same(own, features)
        return dict(network)
    first = layers[0] if layers else None
    if not isinstance(first, Mapping) or first.get("type") != "flatten":
        raise DataError(
            "data.features turns images into vectors; accepted: a network whose first layer is of "
            "the type flatten"
        )
    return dict(network) | {"layers": [first, *features.layers, *layers[1:]]}


def _check_same(entries: Sequence[object], features: ClusterFeatures) -> None:
    described, expected = (
        [layer_from_dict(number, entry) for number, entry in enumerate(part)]
        for part in (entries, features.layers)
    )
    if described != expected:
        raise DataError(
            f"data.features, {features.kmeans} clusters: the network has other layers {CENTRES} "
            f"and {SCALE}; accepted: the settings that they were made with, or a network without "
            "them"
        )


def fitted_weights(spec: NetworkSpec, prepared: Prepared, features: ClusterFeatures) -> Weights:
    """Return the weights of the layers that `with_features` adds, fitted to the images.

    Raises DataError.
    """
    if CENTRES not in spec.names or SCALE not in spec.names:
        raise DataError(
            f"data.features: the network has no layers {CENTRES} and {SCALE}; accepted: a network "
            "of with_features"
        )
    rows = rows_of(images_of(prepared, features.images == "all"))
    if features.kmeans >= len(rows):
        raise DataError(
            f"data.features.kmeans = {features.kmeans} cannot work; accepted: 2 to "
            f"{len(rows) - 1} for these images"
        )
    centres = np.asarray(features.fit(rows, features.kmeans).cluster_centers_)
    values = distances(prepared.train.images, centres).astype(np.float64)
    axis = 0 if features.scale == "each" else None
    return {
        f"{CENTRES}/centres": centres.T.astype(np.float32),
        f"{SCALE}/mean": np.asarray(values.mean(axis), np.float32),
        f"{SCALE}/variance": np.asarray(values.var(axis), np.float32),
        f"{SCALE}/count": np.asarray(len(values), np.int32),
    }


def has_clusters(start: Start | None) -> bool:
    """Return whether initial weights brought clusters, which then are not fitted."""
    return start is not None and any(layer.layer == CENTRES for layer in start.of("taken"))


def check_clusters(start: Start | None, features: ClusterFeatures | None) -> None:
    """Raise WeightsError where the source of weights lacks clusters and no `features` fit them."""
    waiting = [] if start is None or features is not None else start.of("fitted")
    if start is not None and waiting:
        raise WeightsError(
            f"{start.source}: lacks {' and '.join(layer.layer for layer in waiting)}, the layers "
            "of clusters; accepted: a source that has them, or data.features, which fits them"
        )


def distances(images: np.ndarray | LazyImages, centres: np.ndarray) -> np.ndarray:
    """Return each standardised image's Euclidean distance to each centre, float32 (n, k).

    The centres are (k, features).
    """
    parts = [_distances(rows, centres) for rows in _chunks(images)]
    return np.concatenate(parts)


def _distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    squares = (rows**2).sum(1, keepdims=True) + (centres**2).sum(1) - 2 * rows @ centres.T
    return np.sqrt(np.maximum(squares, LEAST_SQUARE)).astype(np.float32)


def _chunks(images: np.ndarray | LazyImages) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _CHUNK):
        yield rows_of(np.asarray(images[start : start + _CHUNK]))


def images_of(prepared: Prepared, everything: bool) -> np.ndarray:
    """Return the standardised training images; with `everything`, also validation and test.

    Images that are set aside and validate nothing are in no part.
    """
    if not everything:
        return np.asarray(prepared.train.images)
    parts: list[Part] = [prepared.train, prepared.test]
    if prepared.validation is not None and prepared.validation is not prepared.test:
        parts.append(prepared.validation)
    return np.concatenate([np.asarray(part.images) for part in parts])


def rows_of(images: np.ndarray) -> np.ndarray:
    """Return images as rows of values (n, H W C), flattened as Keras does, float32."""
    return np.ascontiguousarray(channels_last(images).reshape(len(images), -1), np.float32)
