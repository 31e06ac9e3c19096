"""Initial weights as a file: written by every run, and loaded by layer name to start another."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import save

from ..data.kmeans import LAYERS, ClusterFeatures, fitted_weights, has_clusters
from ..data.prepare import Prepared
from ..files import write_bytes
from ..network import Network
from ..runs.pretrained import source_weights
from ..spec.start import Start, start_from


def save_initial_weights(network: Network, path: Path) -> None:
    """Write the network's weights (Keras' names and layout) and its description as safetensors."""
    write_bytes(path, save(network.named_weights(), {"spec": json.dumps(network.spec.to_dict())}))


def load_initial_weights(network: Network, source: str | Path) -> Start:
    """Load weights by layer name from a file, a run, a checkpoint or an application.

    Layers that the source lacks keep their drawn weights. Raises UserError if a layer's shapes
    differ, if the source lacks a frozen layer, and if no layer is taken. The layers of clusters may
    be missing: `data.features` fits them, see `check_clusters`.
    """
    weights = source_weights(source)
    start, loaded = start_from(network.spec, network.named_weights(), weights, str(source), LAYERS)
    network.load_weights(loaded)
    return start


def start_from_clusters(
    network: Network, start: Start | None, prepared: Prepared, features: ClusterFeatures
) -> None:
    """Load the clusters of these images as weights of the distance layers. Raises UserError.

    Clusters that `start` loaded are kept.
    """
    if has_clusters(start):
        return
    fitted = fitted_weights(network.spec, prepared, features)
    network.load_weights(network.named_weights() | fitted)
