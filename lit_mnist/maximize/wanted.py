"""From a trained network to the images that its maps or classes want, with a quality card for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import nearest
from ..inside.capture import PRE, select
from ..inside.statistics import Silence
from ..network import Network
from ..runs.model import Model
from .ascent import Ascent, Progress, Rows, ascend, rows_for, with_steps
from .checks import MaximizeError, need_positive, need_whole
from .constraint import Constraint, constraint_for, rescaled
from .objectives import ChannelMean, Neuron, Objective
from .presets import STARTS, recipe
from .quality import Quality, assess
from .reference import Reference
from .search import search
from .starts import START, Fluctuations
from .waking import silence_of, wake

MAPS, UNITS, CLASSES = "map", "unit", "class"


@dataclass(frozen=True)
class Settings:
    """How images are made: preset, restarts a target, seed, and what departs from the preset.

    `steps` replaces the last stage's, `step` every stage's size, `starts` the preset's start images;
    `search` takes each map's starts from so many long-wave ones; `converge` stops rows early; `wake`
    raises silent maps by their pre-activation.
    """

    preset: str = "source"
    restarts: int = 4
    seed: int = 0
    steps: int | None = None
    step: float | None = None
    search: int = 0
    converge: bool = False
    wake: bool = True
    snapshots: int | tuple[int, ...] = 6
    starts: Fluctuations | None = None

    def __post_init__(self) -> None:
        recipe(self.preset)
        if self.search and self.starts:
            raise MaximizeError(f"search = {self.search} with start images of one's own; accepted: one of the two")
        need_whole("restarts", self.restarts)
        need_whole("seed", self.seed, 0)
        need_whole("search", self.search, 0)
        if self.steps is not None:
            need_whole("steps", self.steps)
        if self.step is not None:
            need_positive("step", self.step)
        if self.search and self.search < self.restarts:
            raise MaximizeError(f"search = {self.search} cannot work for {self.restarts} restarts; accepted: 0 for no "
                                f"search, or {self.restarts} and above")


@dataclass(frozen=True)
class WantedImages:
    """Images that targets of one layer want, restarts of a target side by side, and all that was measured."""

    kind: str
    layer: str
    settings: Settings
    constraint: str
    ascent: Ascent
    quality: Quality
    silence: Silence
    data: Reference | None
    names: tuple[str, ...]

    @property
    def targets(self) -> tuple[int, ...]:
        """The maps, units or classes, in the order in which they were asked for."""
        return tuple(dict.fromkeys(self.ascent.rows.targets.tolist()))

    @cached_property
    def best(self) -> np.ndarray:
        """The row (targets,) of each target's strongest restart; for `robust`, of the strongest when shifted."""
        restarts, strength = self.settings.restarts, self.quality.activation
        if self.settings.preset == "robust":
            strength = strength * np.nan_to_num(self.quality.shift)
        values = strength.reshape(-1, restarts)
        return values.argmax(1) + np.arange(len(values)) * restarts

    def name(self, target: int) -> str:
        """Return the target's name: the number of a map or unit, a class's name."""
        return self.names[target] if self.kind == CLASSES else str(target)

    def outcome(self, row: int) -> str:
        """Say in words how row `row` ended: the stop reason, and for a map that stayed silent, what is known of it."""
        if self.quality.activation[row] != 0:
            return str(self.ascent.stops[row])
        return f"silent: {self.silence.state(int(self.ascent.rows.targets[row]))}"

    def card(self, row: int) -> dict[str, Any]:
        """Return the quality card of row `row` as plain values; NaN where a figure has no meaning."""
        ascent, quality, target = self.ascent, self.quality, int(self.ascent.rows.targets[row])
        return {self.kind: target, "name": self.name(target), "restart": int(ascent.rows.restarts[row]),
                "seed": self.settings.seed, "steps": int(ascent.steps[row]), "outcome": self.outcome(row),
                **{name: np.asarray(getattr(quality, name)[row]).item()
                   for name in ("activation", "ratio", "rank", "shift", "fine", "spread", "likeness")},
                "objective": ascent.objective[row].tolist()}

    def cards(self) -> Iterator[dict[str, Any]]:
        """Yield every row's card."""
        return (self.card(row) for row in range(len(self.ascent)))

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.maximize import grid

        return to_bytes(grid(self))

    def figures(self) -> dict[str, float]:
        """Return what sums the best images up: counts, and medians and shares over targets that the data raise."""
        best, quality = self.best, self.quality
        live = best[np.isfinite(quality.ratio[best])]
        shown = {"targets": len(best), "silent": int((quality.activation[best] == 0).sum()), "live": len(live)}
        if len(live) == 0:
            return shown
        return shown | {
            "median_ratio": float(np.median(quality.ratio[live])), "least_ratio": float(quality.ratio[live].min()),
            "beats_data": float((quality.ratio[live] >= 1).mean()), "first": float((quality.rank[live] == 1).mean()),
            "median_shift": float(np.nanmedian(quality.shift[live])),
            "median_fine": float(np.median(quality.fine[live]))}


def maximize_maps(model: Model, layer: str, maps: Sequence[int] | None = None, settings: Settings | None = None,
                  data: Reference | None = None, progress: Progress | None = None) -> WantedImages:
    """Make the images that maximise `maps` (default: all) of `layer` (``NAME``, or ``NAME:pre``).

    Of a layer that gives vectors, `maps` are its units, and the preset is by default that of classes.
    `data` (`reference(model, layer)`) is what they are compared with. Raises MaximizeError for a map out of
    range and settings that cannot work; CaptureError for an unknown layer.
    """
    count, kind = target_count(model.network, layer), target_kind(model.network, layer)
    objective = ChannelMean(layer) if kind == MAPS else Neuron(layer)
    settings = settings or Settings(default_preset(kind))
    return _maximized(model, kind, layer, _chosen(maps, count, kind, layer), objective, settings, data,
                      tuple(map(str, range(count))), progress)


def maximize_classes(model: Model, classes: Sequence[int] | None = None, settings: Settings | None = None,
                     data: Reference | None = None, progress: Progress | None = None,
                     names: Sequence[str] = ()) -> WantedImages:
    """Make the images with the highest logit (softmax left out) of `classes` (default: all); as `maximize_maps`."""
    layer, count = model.spec.output, model.spec.units
    chosen = _chosen(classes, count, CLASSES, layer)
    return _maximized(model, CLASSES, layer, chosen, Neuron(layer), settings or Settings(default_preset(CLASSES)), data,
                      tuple(names) or tuple(map(str, range(count))), progress)


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
    bad = [one for one in chosen if isinstance(one, bool) or not 0 <= int(one) < count or one != int(one)]
    if bad or not chosen or len(set(chosen)) < len(chosen):
        what = f"{kind} {bad[0]!r} is not in layer {layer!r}" if bad else f"{kind}s {chosen!r} are none, or named twice"
        raise MaximizeError(f"{what}; accepted: different numbers of 0 to {count - 1}")
    return tuple(int(target) for target in chosen)


def _maximized(original: Model, kind: str, layer: str, targets: tuple[int, ...], objective: Objective,
               settings: Settings, data: Reference | None, names: tuple[str, ...],
               progress: Progress | None) -> WantedImages:
    scaling = rescaled(original, (layer,))
    network, constraint = scaling.model.network, scaling.constraint()
    stages = with_steps(recipe(settings.preset)(objective), settings.steps, settings.step)
    rows = rows_for(targets, settings.restarts, settings.seed)
    starts = _starts(network, layer, rows, settings, constraint)
    ascent = ascend(network, stages, starts, rows, constraint, settings.converge, settings.snapshots, progress)
    if settings.wake:
        ascent = wake(network, layer, stages, ascent, constraint, settings.converge, settings.snapshots, progress)
    quality = assess(network, layer, ascent.images, rows, data)
    silence = silence_of(network, layer, starts, rows, constraint, data)
    originals = {field: scaling.undo(getattr(ascent, field)) for field in ("starts", "images", "snapshots")}
    ascent = replace(ascent, **originals) if scaling.factor != 1 or scaling.offset else ascent
    return WantedImages(kind, layer, settings, constraint_for(original).describe(), ascent, quality, silence, data,
                        names)


def _noise(settings: Settings) -> Fluctuations:
    return settings.starts or STARTS.get(settings.preset, Fluctuations())


def _starts(network: Network, layer: str, rows: Rows, settings: Settings, constraint: Constraint) -> Tensor:
    height, width, channels = network.spec.input_shape
    if not settings.search:
        return constraint.begin(_noise(settings).draw(rows.chances(START), (channels, height, width)))
    found = search(network, layer, constraint, settings.search, settings.seed)
    numbers = [found.best(target, settings.restarts) for target in dict.fromkeys(rows.targets.tolist())]
    return found.starts(np.concatenate(numbers))

