"""The centres of a network that reads distances, as pictures."""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..runs.model import Model
from ..spec import INPUT


def centres_of(model: Model) -> np.ndarray:
    """Return the centres as pixels 0 to 255, (k, H, W) or (k, H, W, C); raise UserError for a
    network without any.
    """
    spec = model.spec
    name = next((info.name for info in spec.table if info.type == "distances"), None)
    if name is None:
        raise UserError(
            f"{model.path}: the network has no layer of type distances; accepted: a run trained "
            "with data.features"
        )
    (source,) = spec.sources[name]
    if spec[source].type != "flatten" or spec.sources[source] != (INPUT,):
        raise UserError(
            f"{model.path}: the centres of layer {name!r} are no pictures, since it reads layer "
            f"{source!r}; accepted: a layer that reads the flattened images"
        )
    centres = model.network.named_weights()[f"{name}/centres"].T
    height, width, channels = spec.input_shape
    shape = (height, width) if channels == 1 else spec.input_shape
    return model.standardizer.invert(centres.reshape(-1, *shape)).clip(0, 255)
