"""Named layers as further outputs of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..network import Network
from ..runs.model import Model


def with_layers(model: Model, layers: Sequence[str]) -> Model:
    """Return the model with the named layers as further outputs; raise SpecError for unknown
    names.
    """
    spec = model.spec
    names = dict.fromkeys((*spec.kept, *(spec[name].name for name in layers)))
    if len(names) == len(spec.kept):
        return model
    network = Network(replace(spec, outputs=tuple(names)))
    network.load_state_dict(model.network.state_dict())
    return replace(model, network=network.eval())
