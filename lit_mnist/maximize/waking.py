"""Silent maps: raised by their pre-activation where possible, and the kinds of silence of the
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..inside.bounds import propagate
from ..inside.capture import PRE, points
from ..inside.statistics import Silence
from ..network import Network
from .ascent import Ascent, Progress, ascend
from .climbing import SILENT
from .inputs import Constraint
from .objectives import Peak
from .quality import Reference
from .rows import Rows
from .stages import Stage
from .subnetwork import Subnetwork

WAKING = 100  # steps on the pre-activation; on a trained cnn 40 left 3 of 128 maps silent, 100 none


def waking_stage(network: Network, layer: str, first: Stage) -> Stage | None:
    """Return a stage that raises the highest pre-activation of the map; None for layers without
    one.

    It transforms the image as `first` does, so that the map stays active in that stage.
    """
    if layer + PRE not in points(network):
        return None
    return replace(first, objective=Peak(layer + PRE), steps=WAKING, add=None)


def wake(
    network: Network,
    layer: str,
    stages: Sequence[Stage],
    ascent: Ascent,
    constraint: Constraint,
    converge: bool = False,
    snapshots: int | tuple[int, ...] = 6,
    progress: Progress | None = None,
) -> Ascent:
    """Return `ascent` with new ascents for its silent rows, which first raise the pre-activation.

    Rows that the random transformations of the stages silence again get stages without
    transformations. For these rows, `starts` is the raised image, and `objective` and `steps` begin
    there.
    """
    for repeated in (
        tuple(stages),
        tuple(replace(stage, transformations=(), gradient_filters=()) for stage in stages),
    ):
        first = waking_stage(network, layer, repeated[0])
        silent = np.flatnonzero(_silent(network, layer, ascent))
        if len(silent) == 0 or first is None:
            return ascent
        rows = ascent.rows[silent]
        raised = ascend(
            network, [first], torch.from_numpy(ascent.starts[silent]), rows, constraint, snapshots=0
        )
        again = ascend(
            network,
            repeated,
            torch.from_numpy(raised.images),
            rows,
            constraint,
            converge,
            snapshots,
            progress,
        )
        ascent = _replaced(ascent, silent, again)
    return ascent


def _silent(network: Network, layer: str, ascent: Ascent) -> np.ndarray:
    of_all_maps = Subnetwork(network, [layer]).activations(ascent.images)
    of_targets = np.take_along_axis(of_all_maps, ascent.rows.targets[:, None], 1)[:, 0]
    return (ascent.stops == SILENT) | (of_targets == 0)


def _replaced(ascent: Ascent, index: np.ndarray, new: Ascent) -> Ascent:
    fields = {}
    for name in ("starts", "images", "objective", "steps", "stops", "snapshots"):
        values = getattr(ascent, name).copy()
        if values.dtype.kind == "U":
            values = values.astype(object)
        values[index] = getattr(new, name)
        fields[name] = values.astype(str) if values.dtype == object else values
    return replace(ascent, **fields)


def silence_of(
    network: Network,
    layer: str,
    starts: Tensor,
    rows: Rows,
    constraint: Constraint,
    data: Reference | None,
) -> Silence:
    """Return the kinds of silence of every map: on the data, for its random starts, and proved.

    Without data, no map counts as silent on data. `unreachable` is proved by interval bounds over
    all images that the constraint allows.
    """
    height, width, channels = network.spec.input_shape
    sides = constraint.bounds((channels, height, width))
    low, high = (torch.from_numpy(np.array(side, np.float64))[None] for side in sides)
    proved = propagate(network, low, high, [layer])[layer].zero
    raised = Subnetwork(network, [layer]).activations(starts).max(0) > 0
    on_data = data.largest <= 0 if data else np.zeros(len(raised), bool)
    return Silence(layer, on_data, ~raised, proved, len(starts))
