"""Images that maximise the maps, units or classes of a trained network, with quality measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from ..errors import SUMMARY, nearest
from ..inside.capture import PRE, select
from ..inside.kept import KeptResults
from ..network import Network
from ..runs.model import Model
from .ascent import Ascent, Progress, ascend
from .checks import MaximizeError
from .inputs import START, Constraint, Fluctuations, constraint_for, rescaled, true_colours
from .objectives import ChannelMean, Neuron, Objective
from .presets import STARTS, recipe
from .quality import Reference, assess
from .record import ascent_once, ascent_settings
from .result import CLASSES, MAPS, UNITS, MaximizationResult, Settings
from .rows import Rows, rows_for
from .stages import snapshot_steps, with_steps
from .start_search import search
from .waking import silence_of, wake


def maximize_maps(
    model: Model,
    layer: str,
    maps: Sequence[int] | None = None,
    settings: Settings | None = None,
    data: Reference | None = None,
    progress: Progress | None = None,
    kept: KeptResults | None = None,
) -> MaximizationResult:
    """Return the images that maximise `maps` (default: all) of `layer` (``NAME`` or ``NAME:pre``).

    For a layer whose output is a vector, `maps` are units, and the default preset is that of
    classes. The images are compared with `data` (`reference(model, layer)`). With `kept`
    (`inside.kept.kept_results(model)`), an ascent is computed once for a network and read later.
    Raises MaximizeError for maps that do not exist and for invalid settings, CaptureError for an
    unknown layer.
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
    """Return the images that maximise the logits of `classes` (default: all); else as
    `maximize_maps`.
    """
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
    """Return the number of maps or units of `layer` (``NAME`` or ``NAME:pre``).

    Raises MaximizeError for a pattern that matches several layers.
    """
    if select(network, [layer])[0] != layer:
        raise MaximizeError(
            f"layer {layer!r} is a pattern; {nearest(layer, network.spec.names, SUMMARY)}"
        )
    return network.spec[layer.removesuffix(PRE)].output_shape[-1]


def target_kind(network: Network, layer: str) -> str:
    """Return ``map`` for a layer with maps, ``unit`` for one whose output is a vector."""
    return UNITS if network.spec[layer.removesuffix(PRE)].maps is None else MAPS


def default_preset(kind: str) -> str:
    """Return the default preset for a kind of target."""
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
        kind,
        layer,
        settings,
        described,
        ascent,
        quality,
        silence,
        data,
        names,
        true_colours(original),
    )


def _noise(settings: Settings) -> Fluctuations:
    return settings.starts or STARTS.get(settings.preset, Fluctuations())


def _starts(
    network: Network, layer: str, rows: Rows, settings: Settings, constraint: Constraint
) -> Tensor:
    height, width, channels = network.spec.input_shape
    if not settings.search:
        return constraint.begin(
            _noise(settings).draw(rows.generators(START), (channels, height, width))
        )
    candidates = search(network, layer, constraint, settings.search, settings.seed)
    numbers = [
        candidates.best(target, settings.restarts)
        for target in dict.fromkeys(rows.targets.tolist())
    ]
    return candidates.starts(np.concatenate(numbers))
