"""Maps that start images do not wake: raised by force where possible, and which kind of silence it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..inside.bounds import propagate
from ..inside.capture import points
from ..inside.statistics import Silence
from ..network import Network
from .ascent import SILENT, Ascent, Progress, Rows, Stage, ascend
from .constraint import Constraint
from .objectives import Peak
from .quality import activations
from .reference import Reference
from .taps import PRE, Taps

WAKING = 100  # steps on the pre-activation; on a trained cnn 40 left 3 of 128 maps asleep, 100 none


def waking_stage(network: Network, layer: str, first: Stage) -> Stage | None:
    """Return a stage that climbs the map's highest value before its activation, or None where there is no such value.

    It changes the image as `first` does, so that what it wakes stays awake there.
    """
    if layer + PRE not in points(network):
        return None
    return replace(first, objective=Peak(layer + PRE), steps=WAKING, add=None)


def wake(network: Network, layer: str, stages: Sequence[Stage], ascent: Ascent, constraint: Constraint,
         converge: bool = False, snapshots: int | tuple[int, ...] = 6, progress: Progress | None = None) -> Ascent:
    """Return `ascent` with its silent rows climbed anew, the pre-activation first; the others stay as they are.

    Rows that the stages' own random changes put to sleep again get stages without them. Of a woken row,
    `starts` is the woken image, and `objective` and `steps` are those of the climb from there.
    """
    for attempt in (tuple(stages), tuple(replace(stage, transformations=(), directions=()) for stage in stages)):
        first = waking_stage(network, layer, attempt[0])
        silent = np.flatnonzero(_silent(network, layer, ascent))
        if len(silent) == 0 or first is None:
            return ascent
        rows = ascent.rows[silent]
        woken = ascend(network, [first], torch.from_numpy(ascent.starts[silent]), rows, constraint, snapshots=0)
        again = ascend(network, attempt, torch.from_numpy(woken.images), rows, constraint, converge, snapshots,
                       progress)
        ascent = _replaced(ascent, silent, again)
    return ascent


def _silent(network: Network, layer: str, ascent: Ascent) -> np.ndarray:
    own = np.take_along_axis(activations(Taps(network, [layer]), ascent.images), ascent.rows.targets[:, None], 1)[:, 0]
    return (ascent.stops == SILENT) | (own == 0)


def _replaced(ascent: Ascent, index: np.ndarray, new: Ascent) -> Ascent:
    fields = {}
    for name in ("starts", "images", "objective", "steps", "stops", "snapshots"):
        values = getattr(ascent, name).copy()
        if values.dtype.kind == "U":
            values = values.astype(object)
        values[index] = getattr(new, name)
        fields[name] = values.astype(str) if values.dtype == object else values
    return replace(ascent, **fields)


def silence_of(network: Network, layer: str, starts: Tensor, rows: Rows, constraint: Constraint,
               data: Reference | None) -> Silence:
    """Return the three kinds of silence of every map: on the data, for its own random starts, and proved.

    Without data, no map counts as silent on them. `unreachable` is proved by interval bounds over all
    images that the constraint allows.
    """
    height, width, channels = network.spec.input_shape
    sides = constraint.bounds((channels, height, width))
    low, high = (torch.from_numpy(np.array(side, np.float64))[None] for side in sides)
    proved = propagate(network, low, high)[layer].zero
    raised = activations(Taps(network, [layer]), starts).max(0) > 0
    on_data = data.largest <= 0 if data else np.zeros(len(raised), bool)
    return Silence(layer, on_data, ~raised, proved, len(starts))
