"""Everything that a report shows, computed section by section; what cannot be had is left out with its reason."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..attribution.explanation import explain
from ..attribution.records import Explanation
from ..data import DataError, Dataset, load_dataset
from ..data.images import Images, read_images
from ..errors import UserError, nearest
from ..inside.evaluation import Evaluation, evaluate
from ..inside.filters import Filters, convolutions, filters
from ..inside.kept import kept_results
from ..inside.maps import FeatureMaps, feature_maps
from ..inside.passes import BATCH, batch_size
from ..inside.top_images import TopImages, top_images_once
from ..maximize.effort import MOST_WORK
from ..maximize.maximization import MaximizationResult, Settings, maximize_classes, maximize_maps
from ..maximize.quality import Reference, references
from ..runs.model import Model
from ..spec import SAME_VALUES
from .wanted import RECORD as WANTED
from .wanted import wanted_cards, wanted_images

SECTIONS = (
    "curves",
    "mistakes",
    "layers",
    "filters",
    "maps",
    "top_images",
    "wanted",
    "attributions",
)
_EXPLAINED_MISTAKES = 4
_COMPARED = 10_000  # training images that maximised images are compared with

Track = Callable[[Iterable, int, str], Iterator]  # passes items through and shows how far it is
# opens a bar, which takes what is at work, work done and all work
Bar = Callable[[str], AbstractContextManager[Callable[[str, float, float], None]]]


@dataclass(frozen=True)
class Options:
    """What a report holds: `k` top images a map, `steps` of each wanted image's ascent, `verdict_digits` on
    which attribution methods are judged (0: no verdicts; None: `explain`'s default), sections to leave
    out, and the seed of all chance."""

    images: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    k: int = 6
    steps: int = 100
    verdict_digits: int | None = None
    seed: int = 0
    data_root: str | None = None

    def __post_init__(self) -> None:
        for section in self.leave_out:
            if section not in SECTIONS:
                raise UserError(
                    f"leave_out = {section!r}: no such section; {nearest(section, SECTIONS)}"
                )
        for key, least in (("k", 1), ("steps", 1), ("verdict_digits", 0)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise UserError(f"{key} = {value!r} cannot work; accepted: {least} or more")


@dataclass(frozen=True)
class Content:
    """The records of one report. `missing` says for each section that is not there why."""

    model: Model
    class_names: tuple[str, ...]
    digits: Images
    summary: dict[str, Any] = field(default_factory=dict)
    config: str = ""
    history: dict[str, list[float]] = field(default_factory=dict)
    dataset: Dataset | None = None
    evaluation: Evaluation | None = None
    filters: tuple[Filters, ...] = ()
    maps: tuple[FeatureMaps, ...] = ()
    top_images: tuple[TopImages, ...] = ()
    wanted: tuple[MaximizationResult, ...] = ()
    explanation: Explanation | None = None
    missing: dict[str, str] = field(default_factory=dict)


def gather(
    model: Model,
    options: Options,
    track: Track = lambda items, total, what: iter(items),
    bar: Bar = lambda what: nullcontext(lambda part, done, total: None),
    say: Callable[[str], None] = lambda text: None,
) -> Content:
    """Compute the records of every section that is not left out; `track`, `bar` and `say` show progress."""
    run = model.run
    summary = _json(run / "summary.json") if run else {}
    dataset, missing = _dataset(model, options)
    evaluation = None
    if dataset is not None:
        say("report: test images")
        evaluation = evaluate(model, dataset.test_images, dataset.test_labels)
    digits = _digits(model, options, dataset, evaluation)
    make = _Sections(model, options, dataset, digits, track, bar, say)
    records: dict[str, Any] = {}
    for section in ("filters", "maps", "top_images", "wanted", "attributions"):
        try:
            records[section] = getattr(make, section)() if section not in options.leave_out else ()
        except UserError as error:
            records[section], missing[section] = (), str(error)
    return Content(
        model,
        model.class_names,
        digits,
        summary,
        _text(run / "config.yaml") if run else "",
        epoch_history(run, summary) if run else {},
        dataset,
        None if "mistakes" in options.leave_out else evaluation,
        records["filters"],
        records["maps"],
        records["top_images"],
        records["wanted"],
        records["attributions"] or None,
        missing | dict.fromkeys(options.leave_out, "left out as asked"),
    )


class _Sections:
    """One method a section, so that a failing one leaves the others alone."""

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
        return tuple(
            filters(self.model.network, layer, self.model.seed) for layer in self._convolutions()
        )

    def maps(self) -> tuple[FeatureMaps, ...]:
        self.say("report: feature maps")
        layers = [info.name for info in self.model.spec.table if info.type not in SAME_VALUES]
        return feature_maps(self.model, self.digits, layers)

    def top_images(self) -> tuple[TopImages, ...]:
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

    def wanted(self) -> tuple[MaximizationResult, ...]:
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

            def show(what: str) -> Callable[[int, int], None]:
                return lambda done, total: progress(f"images for {what}", done, total)

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
            for record in maps:
                self._keep_wanted(record)
            classes = maximize_classes(
                self.model,
                settings=by_class,
                progress=show("the classes"),
                names=self.model.class_names,
                kept=self.kept,
            )
        return (*maps, classes)

    def _check_ascents(self, layers: Sequence[str]) -> None:
        """Raise UserError where the ascents for all maps would take hours."""
        spec = self.model.spec
        maps = sum(spec[layer].output_shape[-1] for layer in layers) + spec.classes
        if maps * self.options.steps * spec.macs > MOST_WORK:
            raise UserError(
                f"images for {maps:,} maps and classes would take hours; accepted: those of one layer, by "
                "the command maximize --layer NAME --maps 0-15"
            )

    def _references(self, layers: Sequence[str]) -> dict[str, Reference]:
        """Return what the first training images reach in each layer; nothing without a data set."""
        if self.dataset is None or not layers:
            return {}
        pixels = self._pixels()[:_COMPARED]
        compared = references(self.model, layers, pixels, "given images", 1, self.kept)
        return {reference.layer: reference for reference in compared}

    def _keep_wanted(self, record: MaximizationResult) -> None:
        """Keep the images that a layer's maps want, for pages that compute none."""
        if self.kept is not None:
            settings = {
                "layer": record.layer,
                "seed": self.options.seed,
                "steps": self.options.steps,
            }
            content = {"images": wanted_images(record), "cards": wanted_cards(record)}
            self.kept.write(WANTED, settings, content)

    def attributions(self) -> Explanation:
        with self.bar("report") as progress:
            return explain(
                self.model,
                self.digits,
                dataset=self.dataset,
                verdict_digits=self.options.verdict_digits,
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
            raise UserError("the network's data set is not at hand")
        return self.dataset.train_images


def _dataset(model: Model, options: Options) -> tuple[Dataset | None, dict[str, str]]:
    try:
        return load_dataset(
            model.dataset, options.data_root or model.data_root, network=model.spec
        ), {}
    except DataError as error:
        if not options.images:
            raise UserError(
                f"report needs images to look into: {error}; accepted: image files, with --images"
            ) from error
        return None, dict.fromkeys(("mistakes", "top_images"), str(error))


def _digits(
    model: Model, options: Options, dataset: Dataset | None, evaluation: Evaluation | None
) -> Images:
    """The named images; else the first test image of each class, then the most confident mistakes."""
    if options.images or dataset is None or evaluation is None:
        return read_images(
            options.images,
            model.dataset,
            options.data_root or model.data_root,
            model.spec.input_shape,
        )
    firsts = np.unique(dataset.test_labels, return_index=True)[1].tolist()
    chosen = list(dict.fromkeys([*firsts, *evaluation.wrong[:_EXPLAINED_MISTAKES].tolist()]))
    return Images(
        dataset.test_images[chosen].astype(np.float32),
        dataset.test_labels[chosen],
        tuple(f"test:{number}" for number in chosen),
    )


def epoch_history(run: Path, summary: dict[str, Any]) -> dict[str, list[float]]:
    """The metrics by epoch: from ``metrics.csv``, which grows while training runs, else from the summary."""
    columns: dict[str, list[float]] = {}
    try:
        with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for key in ("train/acc", "val/acc", "train/loss", "val/loss"):
                    if row.get(key):
                        columns.setdefault(key.replace("/", "_"), []).append(float(row[key]))
    except (OSError, ValueError, csv.Error):
        columns = {}
    epochs = len(columns.get("train_loss", ()))
    if not epochs:
        return {
            key: [
                math.nan if value is None else value for value in values
            ]  # None: an epoch without validation
            for key, values in (summary.get("history") or {}).items()
            if values
        }
    whole = {key: values for key, values in columns.items() if len(values) == epochs}
    numbers: list[float] = list(range(1, epochs + 1))
    return {"epochs": numbers} | whole


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
