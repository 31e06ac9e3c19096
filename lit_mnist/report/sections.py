"""The sections of a report that are computed: filters, maps, top images, preferred images,
attributions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np

from ..attribution.explanation import explain
from ..attribution.records import Explanation
from ..data import Dataset
from ..data.images import Images
from ..errors import UserError
from ..inside.filters import Filters, convolutions, filters
from ..inside.kept import kept_results
from ..inside.maps import FeatureMaps, feature_maps
from ..inside.passes import BATCH, batch_size
from ..inside.top_images import TopImages, top_images_once
from ..maximize.effort import MOST_WORK, multiply_accumulates
from ..maximize.maximization import MaximizationResult, Settings, maximize_classes, maximize_maps
from ..maximize.presets import step_count
from ..maximize.quality import Reference, training_references
from ..runs.model import Model
from ..spec import SAME_VALUES
from .content import Options

Track = Callable[[Iterable, int, str], Iterator]  # passes items on and shows progress
# opens a bar, a function of (task, work done, all work)
Bar = Callable[[str], AbstractContextManager[Callable[[str, float, float], None]]]


class Sections:
    """Computes each section in a method of its own, so that one can fail without the others."""

    def __init__(
        self,
        model: Model,
        options: Options,
        dataset: Dataset | None,
        digits: Images,
        track: Track,
        bar: Bar,
        say: Callable[[str], None],
    ) -> None:
        self.model = model
        self.options = options
        self.dataset = dataset
        self.digits = digits
        self.track = track
        self.bar = bar
        self.say = say
        self.kept = kept_results(model, say)

    def filters(self) -> tuple[Filters, ...]:
        """Return the filters of all convolutions, of every kind."""
        return tuple(
            filters(self.model.network, layer, self.model.seed) for layer in self._convolutions()
        )

    def maps(self) -> tuple[FeatureMaps, ...]:
        """Return the feature maps of the chosen images."""
        self.say("report: feature maps")
        layers = [info.name for info in self.model.spec.table if info.type not in SAME_VALUES]
        return feature_maps(self.model, self.digits, layers)

    def top_images(self) -> tuple[TopImages, ...]:
        """Return the top training images of every map of a convolution."""
        layers = self._convolutions()
        pixels = self._pixels()
        return top_images_once(
            self.model,
            "train",
            pixels,
            layers,
            self.options.k,
            self.kept,
            BATCH,
            lambda inputs: self.track(
                inputs, -(-len(pixels) // batch_size(self.model.spec)), "report: top images"
            ),
        )

    def preferred(self) -> tuple[MaximizationResult, ...]:
        """Return the preferred images of all maps of convolutions, and of the classes."""
        names = convolutions(self.model.network)
        self._check_ascents(names)
        by_map, by_class = (
            Settings(
                preset, restarts=1, seed=self.options.seed, steps=self.options.steps, snapshots=0
            )
            for preset in ("source", "class")
        )
        data = self._references(names)
        with self.bar("report") as progress:

            def show(targets: str) -> Callable[[int, int], None]:
                return lambda done, total: progress(f"images for {targets}", done, total)

            maps = [
                maximize_maps(
                    self.model,
                    layer,
                    settings=by_map,
                    data=data.get(layer),
                    progress=show(f"the maps of {layer}"),
                    kept=self.kept,
                )
                for layer in names
            ]
            classes = maximize_classes(
                self.model,
                settings=by_class,
                progress=show("the classes"),
                names=self.model.class_names,
                kept=self.kept,
            )
        return (*maps, classes)

    def _check_ascents(self, layers: Sequence[str]) -> None:
        """Raise UserError where the ascents for all maps would take more than half an hour."""
        spec = self.model.spec
        maps = {layer: spec[layer].output_shape[-1] for layer in layers}
        steps = self.options.steps
        work = spec.units * step_count("class", steps) * spec.macs + sum(
            count * step_count("source", steps) * multiply_accumulates(spec, layer)
            for layer, count in maps.items()
        )
        if work > MOST_WORK:
            raise UserError(
                f"images for {sum(maps.values()) + spec.units:,} maps and classes would take more "
                "than half an hour; accepted: images of one layer, by the command "
                "maximize --layer NAME --maps 0-15"
            )

    def _references(self, layers: Sequence[str]) -> dict[str, Reference]:
        """Return the activations of the first training images by layer; empty without a data
        set.
        """
        if self.dataset is None or not layers:
            return {}
        return training_references(self.model, layers, self._pixels(), self.kept)

    def attributions(self) -> Explanation:
        """Return the attribution maps of the chosen images."""
        with self.bar("report") as progress:
            return explain(
                self.model,
                self.digits,
                dataset=self.dataset,
                verdict_digits=self.options.verdict_digits,
                metrics=False,  # the page has none of single images
                seed=self.options.seed,
                kept=self.kept,
                progress=lambda method, done, total: progress(
                    f"attribution, {method}", done, total
                ),
            )

    def _convolutions(self) -> tuple[str, ...]:
        layers = convolutions(self.model.network)
        if not layers:
            raise UserError("this network has no convolution")
        return layers

    def _pixels(self) -> np.ndarray:
        if self.dataset is None:
            raise UserError("the network's data set is missing")
        return self.dataset.train_images
