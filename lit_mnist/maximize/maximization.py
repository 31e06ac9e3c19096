"""From a trained network to the images that raise its maps, units or classes most, each with a quality card.

Maps that no start wakes are raised by force where possible; starts can be searched by forward passes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..errors import nearest
from ..inside.bounds import propagate
from ..inside.capture import PRE, points, select
from ..inside.kept import KeptResults
from ..inside.statistics import Silence
from ..network import Network
from ..runs.model import Model
from .ascent import (
    SILENT,
    Ascent,
    Progress,
    Rows,
    Stage,
    ascend,
    rows_for,
    snapshot_steps,
    with_steps,
)
from .checks import MaximizeError, need_whole
from .inputs import (
    LONG_WAVES,
    SEARCH,
    START,
    Constraint,
    Fluctuations,
    constraint_for,
    generator,
    rescaled,
)
from .objectives import ChannelMean, Neuron, Objective, Peak
from .presets import STARTS, recipe
from .quality import Reference, activations, assess
from .record import ascent_once, ascent_settings
from .result import CLASSES, MAPS, UNITS, MaximizationResult, Settings
from .subnetwork import Subnetwork


def maximize_maps(
    model: Model,
    layer: str,
    maps: Sequence[int] | None = None,
    settings: Settings | None = None,
    data: Reference | None = None,
    progress: Progress | None = None,
    kept: KeptResults | None = None,
) -> MaximizationResult:
    """Make the images that maximise `maps` (default: all) of `layer` (``NAME``, or ``NAME:pre``).

    Of a layer that gives vectors, `maps` are its units, and the preset is by default that of classes.
    `data` (`reference(model, layer)`) is what they are compared with. With `kept`
    (`inside.kept.kept_results(model)`) an ascent is computed once for a network and read afterwards. Raises
    MaximizeError for a map out of range and settings that cannot work; CaptureError for an unknown layer.
    """
    count = target_count(model.network, layer)
    kind = target_kind(model.network, layer)
    objective = ChannelMean(layer) if kind == MAPS else Neuron(layer)
    settings = settings or Settings(default_preset(kind))
    return _maximized(
        model,
        kind,
        layer,
        _chosen(maps, count, kind, layer),
        objective,
        settings,
        data,
        tuple(map(str, range(count))),
        progress,
        kept,
    )


def maximize_classes(
    model: Model,
    classes: Sequence[int] | None = None,
    settings: Settings | None = None,
    data: Reference | None = None,
    progress: Progress | None = None,
    names: Sequence[str] = (),
    kept: KeptResults | None = None,
) -> MaximizationResult:
    """Make the images with the highest logit (softmax left out) of `classes` (default: all); as `maximize_maps`."""
    layer = model.spec.output
    count = model.spec.units
    chosen = _chosen(classes, count, CLASSES, layer)
    return _maximized(
        model,
        CLASSES,
        layer,
        chosen,
        Neuron(layer),
        settings or Settings(default_preset(CLASSES)),
        data,
        tuple(names) or tuple(map(str, range(count))),
        progress,
        kept,
    )


def target_count(network: Network, layer: str) -> int:
    """Return how many maps or units `layer` (``NAME`` or ``NAME:pre``) has; raise MaximizeError for a pattern."""
    if select(network, [layer])[0] != layer:
        raise MaximizeError(f"layer {layer!r} is a pattern; {nearest(layer, network.spec.names)}")
    return network.spec[layer.removesuffix(PRE)].output_shape[-1]


def target_kind(network: Network, layer: str) -> str:
    """Return ``map`` for a layer of maps, ``unit`` for one of vectors."""
    return UNITS if network.spec[layer.removesuffix(PRE)].maps is None else MAPS


def default_preset(kind: str) -> str:
    """Return the preset that a kind of target gets where none is named."""
    return "source" if kind == MAPS else "class"


def _chosen(targets: Sequence[int] | None, count: int, kind: str, layer: str) -> tuple[int, ...]:
    chosen = tuple(range(count)) if targets is None else tuple(targets)
    bad = [
        one
        for one in chosen
        if isinstance(one, bool) or not 0 <= int(one) < count or one != int(one)
    ]
    if bad or not chosen or len(set(chosen)) < len(chosen):
        what = (
            f"{kind} {bad[0]!r} is not in layer {layer!r}"
            if bad
            else f"{kind}s {chosen!r} are none, or named twice"
        )
        raise MaximizeError(f"{what}; accepted: different numbers of 0 to {count - 1}")
    return tuple(int(target) for target in chosen)


def _maximized(
    original: Model,
    kind: str,
    layer: str,
    targets: tuple[int, ...],
    objective: Objective,
    settings: Settings,
    data: Reference | None,
    names: tuple[str, ...],
    progress: Progress | None,
    kept: KeptResults | None,
) -> MaximizationResult:
    scaling = rescaled(original, (layer,))
    network = scaling.model.network
    constraint = scaling.constraint()
    stages = with_steps(recipe(settings.preset)(objective), settings.steps, settings.step)
    rows = rows_for(targets, settings.restarts, settings.seed)
    starts = _starts(network, layer, rows, settings, constraint)

    def compute() -> Ascent:
        arguments = (constraint, settings.converge, settings.snapshots, progress)
        ascent = ascend(network, stages, starts, rows, *arguments)
        return wake(network, layer, stages, ascent, *arguments) if settings.wake else ascent

    ascent = ascent_once(
        kept,
        ascent_settings(network, kind, layer, settings),
        rows,
        snapshot_steps(sum(stage.steps for stage in stages), settings.snapshots),
        compute,
    )
    quality = assess(network, layer, ascent.images, rows, data)
    silence = silence_of(network, layer, starts, rows, constraint, data)
    originals = {
        field: scaling.undo(getattr(ascent, field)) for field in ("starts", "images", "snapshots")
    }
    ascent = replace(ascent, **originals) if scaling.factor != 1 or scaling.offset else ascent
    described = constraint_for(original).describe()
    return MaximizationResult(
        kind, layer, settings, described, ascent, quality, silence, data, names
    )


def _noise(settings: Settings) -> Fluctuations:
    return settings.starts or STARTS.get(settings.preset, Fluctuations())


def _starts(
    network: Network, layer: str, rows: Rows, settings: Settings, constraint: Constraint
) -> Tensor:
    height, width, channels = network.spec.input_shape
    if not settings.search:
        return constraint.begin(
            _noise(settings).draw(rows.chances(START), (channels, height, width))
        )
    candidates = search(network, layer, constraint, settings.search, settings.seed)
    numbers = [
        candidates.best(target, settings.restarts)
        for target in dict.fromkeys(rows.targets.tolist())
    ]
    return candidates.starts(np.concatenate(numbers))


WAKING = 100  # steps on the pre-activation; on a trained cnn 40 left 3 of 128 maps asleep, 100 none


def waking_stage(network: Network, layer: str, first: Stage) -> Stage | None:
    """Return a stage that climbs the map's highest value before its activation, or None where there is no such value.

    It changes the image as `first` does, so that what it wakes stays awake there.
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
    """Return `ascent` with its silent rows climbed anew, the pre-activation first; the others stay as they are.

    Rows that the stages' own random changes put to sleep again get stages without them. Of a raised row,
    `starts` is the raised image, and `objective` and `steps` are those of the climb from there.
    """
    for attempt in (
        tuple(stages),
        tuple(replace(stage, transformations=(), gradient_filters=()) for stage in stages),
    ):
        first = waking_stage(network, layer, attempt[0])
        silent = np.flatnonzero(_silent(network, layer, ascent))
        if len(silent) == 0 or first is None:
            return ascent
        rows = ascent.rows[silent]
        raised = ascend(
            network, [first], torch.from_numpy(ascent.starts[silent]), rows, constraint, snapshots=0
        )
        again = ascend(
            network,
            attempt,
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
    every = activations(Subnetwork(network, [layer]), ascent.images)
    own = np.take_along_axis(every, ascent.rows.targets[:, None], 1)[:, 0]
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


def silence_of(
    network: Network,
    layer: str,
    starts: Tensor,
    rows: Rows,
    constraint: Constraint,
    data: Reference | None,
) -> Silence:
    """Return the three kinds of silence of every map: on the data, for its own random starts, and proved.

    Without data, no map counts as silent on them. `unreachable` is proved by interval bounds over all
    images that the constraint allows.
    """
    height, width, channels = network.spec.input_shape
    sides = constraint.bounds((channels, height, width))
    low, high = (torch.from_numpy(np.array(side, np.float64))[None] for side in sides)
    proved = propagate(network, low, high)[layer].zero
    raised = activations(Subnetwork(network, [layer]), starts).max(0) > 0
    on_data = data.largest <= 0 if data else np.zeros(len(raised), bool)
    return Silence(layer, on_data, ~raised, proved, len(starts))


LONG = Fluctuations(LONG_WAVES, (0.5,) * len(LONG_WAVES))
_BLOCK = 1024  # starts drawn at a time, to bound memory


@dataclass(frozen=True)
class Search:
    """`scores` (starts, targets): how strongly each start raises each map; starts are rebuilt from their number."""

    scores: np.ndarray
    seed: int
    fluctuations: Fluctuations
    constraint: Constraint
    shape: tuple[int, int, int]

    def best(self, target: int, count: int = 1) -> np.ndarray:
        """Return the numbers of the `count` starts that raise `target` most, best first; ties by number."""
        return np.argsort(-self.scores[:, target], kind="stable")[:count]

    def starts(self, numbers: np.ndarray) -> Tensor:
        """Return the start images (n, C, H, W), float64, of these numbers."""
        return _numbered_starts(numbers, self.seed, self.fluctuations, self.constraint, self.shape)


def search(
    network: Network,
    layer: str,
    constraint: Constraint,
    count: int = 3000,
    seed: int = 0,
    fluctuations: Fluctuations = LONG,
) -> Search:
    """Score `count` random starts, long waves by default, against every map of `layer`; raise MaximizeError."""
    need_whole("search", count)
    height, width, channels = network.spec.input_shape
    shape = (channels, height, width)
    subnetwork = Subnetwork(network, [layer])
    scores = [
        activations(
            subnetwork,
            _numbered_starts(
                np.arange(first, min(first + _BLOCK, count)), seed, fluctuations, constraint, shape
            ),
        )
        for first in range(0, count, _BLOCK)
    ]
    return Search(np.concatenate(scores), seed, fluctuations, constraint, shape)


def _numbered_starts(
    numbers: np.ndarray,
    seed: int,
    fluctuations: Fluctuations,
    constraint: Constraint,
    shape: tuple[int, int, int],
) -> Tensor:
    noise = fluctuations.draw([generator(seed, SEARCH, int(number)) for number in numbers], shape)
    return constraint.begin(torch.as_tensor(noise))
