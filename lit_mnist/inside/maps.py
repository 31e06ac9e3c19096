"""Feature maps of single images, and the journey of images through the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.images import Images
from ..errors import UserError
from ..outcome import Records
from ..runs.model import Model
from .capture import capture, select
from .passes import as_array, batches, evaluation


@dataclass(frozen=True)
class Answer:
    """The network's `probabilities` (classes,) for an image, given by `pixels` 0 to 255.

    `label` is its class, -1 if unknown; `class_names` is empty where classes are just numbers.
    """

    image: str
    pixels: np.ndarray
    label: int
    probabilities: np.ndarray
    class_names: tuple[str, ...] = ()

    @property
    def prediction(self) -> int:
        """The class with the highest probability."""
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        """The probability of the predicted class."""
        return float(self.probabilities.max())

    @property
    def class_name(self) -> str:
        """The name of the predicted class, its number where classes have no names."""
        return self.class_names[self.prediction] if self.class_names else str(self.prediction)

    @property
    def label_name(self) -> str | None:
        """The name of the label; None where it is unknown or has no name."""
        return self.class_names[self.label] if self.label in range(len(self.class_names)) else None

    @property
    def guess(self) -> str:
        """The predicted class with its probability, and the label where it is known."""
        label = f", label {self.label_name or self.label}" if self.label >= 0 else ""
        return f"{self.class_name} ({100 * self.probability:.2f} %){label}"

    def __str__(self) -> str:
        return f"{self.image}: {self.guess}"

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.evaluation import softmax_bars

        return to_bytes(softmax_bars(self, self.class_names))


@dataclass(frozen=True)
class FeatureMaps:
    """Values of one layer for one image: (maps, rows, columns), or (units,) where they are a
    vector.
    """

    layer: str
    answer: Answer
    values: np.ndarray
    seed: int | None

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return float(self.values.min()), float(self.values.max())

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.maps import feature_grid

        return to_bytes(feature_grid(self))


@dataclass(frozen=True)
class Journey:
    """One map of several layers for several images: ``values[image][layer]`` is (rows, columns)."""

    layers: tuple[str, ...]
    answers: tuple[Answer, ...]
    map: int
    values: tuple[tuple[np.ndarray, ...], ...]
    seed: int | None

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.maps import journey

        return to_bytes(journey(self))


def answers(model: Model, images: Images) -> Records[Answer]:
    """Return the network's answer to each image."""
    with evaluation(model.network):
        outputs = [model.network(batch) for batch in batches(model, images.pixels)]
    rows = np.concatenate([as_array(model.network.probabilities(logits)) for logits in outputs])
    return Records(
        Answer(name, pixels, int(label), row, model.class_names)
        for name, pixels, label, row in zip(
            images.names, images.pixels, images.labels, rows, strict=True
        )
    )


def feature_maps(
    model: Model, images: Images, layers: str | Sequence[str] = "*"
) -> Records[FeatureMaps]:
    """Return the values of each layer (names or globs, see `capture`) for each image, ordered by
    image.

    Raises CaptureError for a layer that the network does not have.
    """
    records = []
    for start, answer in enumerate(answers(model, images)):
        image = next(batches(model, images.pixels[start : start + 1]))
        with evaluation(model.network), capture(model.network, layers) as maps:
            model.network(image)
        records += [
            FeatureMaps(name, answer, as_array(tensor[0]), model.seed)
            for name, tensor in maps.items()
        ]
    return Records(records)


def journey_layers(model: Model) -> tuple[str, ...]:
    """Return the names of the convolution and pooling layers."""
    return tuple(info.name for info in model.spec.table if info.type in ("conv", "pool"))


def journey(
    model: Model, images: Images, map: int = 0, layers: Sequence[str] | None = None
) -> Journey:
    """Return map number `map` of every convolution and pooling layer (or of `layers`) for each
    image.

    Raises UserError where a layer has no such map.
    """
    names = select(model.network, layers) if layers else journey_layers(model)
    if not names:
        raise UserError(
            "this network has no convolution or pooling layer; accepted: a network with one"
        )
    for name in names:
        count = model.spec[name.partition(":")[0]].maps
        if count is None or not 0 <= map < count:
            accepted = "only layers with maps"
            if count is not None:
                accepted = f"0 to {count - 1} (it has {count} maps)"
            raise UserError(f"map {map} of layer {name!r}: does not exist; accepted: {accepted}")
    records = feature_maps(model, images, names)
    rows = [records[start : start + len(names)] for start in range(0, len(records), len(names))]
    return Journey(
        names,
        tuple(row[0].answer for row in rows),
        map,
        tuple(tuple(record.values[map] for record in row) for row in rows),
        model.seed,
    )


def deprocess(values: np.ndarray) -> np.ndarray:
    """Scale each map (..., rows, columns) as the sources do: mean 128, deviation 64, clipped to
    0..255.

    A constant map becomes 128.
    """
    values = np.asarray(values, np.float64)
    centred = values - values.mean((-2, -1), keepdims=True)
    deviation = centred.std((-2, -1), keepdims=True)
    return (128 + 64 * centred / np.where(deviation > 0, deviation, 1)).clip(0, 255)
