"""The result of a maximisation: settings, images, quality measures; as arrays and as TensorBoard
events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..data.standardize import Standardizer
from ..environment import event_writer
from ..inside.statistics import Silence
from .ascent import Ascent
from .checks import MaximizeError, need_positive, need_whole
from .inputs import Fluctuations
from .presets import recipe
from .quality import Quality, Reference
from .stages import snapshot_steps

MAPS = "map"
UNITS = "unit"
CLASSES = "class"


@dataclass(frozen=True)
class Settings:
    """Settings of a maximisation: preset, restarts for each target, seed, and changes of the
    preset.

    `steps` replaces the steps of the last stage, `step` the step size of all stages, and `starts`
    the preset's start images. `search` chooses the starts of each map among that number of
    low-frequency images. `converge` stops rows early; `wake` raises silent maps by their
    pre-activation.
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
            raise MaximizeError(
                f"search = {self.search} with start images of your own; accepted: one of the two"
            )
        need_whole("restarts", self.restarts)
        need_whole("seed", self.seed, 0)
        need_whole("search", self.search, 0)
        if self.steps is not None:
            need_whole("steps", self.steps)
        if self.step is not None:
            need_positive("step", self.step)
        if self.search and self.search < self.restarts:
            raise MaximizeError(
                f"search = {self.search} cannot work for {self.restarts} restarts; accepted: 0 "
                f"for no search, or {self.restarts} and above"
            )


@dataclass(frozen=True)
class MaximizationResult:
    """Images that maximise targets of one layer, with the restarts of a target side by side, and
    all measures.

    `colours` is the scaling of colour images that stay in the pixels' range; it gives pixels back.
    """

    kind: str
    layer: str
    settings: Settings
    constraint: str
    ascent: Ascent
    quality: Quality
    silence: Silence
    data: Reference | None
    names: tuple[str, ...]
    colours: Standardizer | None = None

    @property
    def targets(self) -> tuple[int, ...]:
        """The maps, units or classes, in the requested order."""
        return tuple(dict.fromkeys(self.ascent.rows.targets.tolist()))

    @cached_property
    def best(self) -> np.ndarray:
        """The row (targets,) of each target's strongest restart; for `robust`, the strongest after
        a shift.
        """
        restarts = self.settings.restarts
        strength = self.quality.activation
        if self.settings.preset == "robust":
            strength = strength * np.nan_to_num(self.quality.shift)
        values = strength.reshape(-1, restarts)
        return values.argmax(1) + np.arange(len(values)) * restarts

    def name(self, target: int) -> str:
        """Return the name of a target: the number of a map or unit, or the name of a class."""
        return self.names[target] if self.kind == CLASSES else str(target)

    def levels(self, image: np.ndarray) -> np.ndarray:
        """Return an image (C, H, W) of the network's input as uint8 (H, W), or (H, W, 3).

        Colours are the pixels' own where `colours` is known; else see `grey_levels`.
        """
        if self.colours is None:
            return grey_levels(image)
        return np.rint(self.colours.invert(image.transpose(1, 2, 0)).clip(0, 255)).astype(np.uint8)

    def outcome(self, row: int) -> str:
        """Return how row `row` ended, in words; for a silent map, the kind of silence."""
        if self.quality.activation[row] != 0:
            return str(self.ascent.stops[row])
        return f"silent: {self.silence.state(int(self.ascent.rows.targets[row]))}"

    def card(self, row: int) -> dict[str, Any]:
        """Return the quality measures of row `row` as plain values; NaN where a measure is
        undefined.
        """
        ascent = self.ascent
        quality = self.quality
        target = int(self.ascent.rows.targets[row])
        return {
            self.kind: target,
            "name": self.name(target),
            "restart": int(ascent.rows.restarts[row]),
            "seed": self.settings.seed,
            "steps": int(ascent.steps[row]),
            "outcome": self.outcome(row),
            **{
                name: np.asarray(getattr(quality, name)[row]).item()
                for name in ("activation", "ratio", "rank", "shift", "fine", "spread", "likeness")
            },
            "objective": ascent.objective[row].tolist(),
        }

    def cards(self) -> Iterator[dict[str, Any]]:
        """Yield the quality measures of every row."""
        return (self.card(row) for row in range(len(self.ascent)))

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.maximize import grid

        return to_bytes(grid(self))

    def metrics(self) -> dict[str, float]:
        """Return a summary of the best images: counts, and medians and fractions over targets that
        the data activate.
        """
        best = self.best
        quality = self.quality
        live = best[np.isfinite(quality.ratio[best])]
        counts: dict[str, float] = {
            "targets": len(best),
            "silent": int((quality.activation[best] == 0).sum()),
            "live": len(live),
        }
        if len(live) == 0:
            return counts
        return counts | {
            "median_ratio": float(np.median(quality.ratio[live])),
            "least_ratio": float(quality.ratio[live].min()),
            "beats_data": float((quality.ratio[live] >= 1).mean()),
            "first": float((quality.rank[live] == 1).mean()),
            "median_shift": float(np.nanmedian(quality.shift[live])),
            "median_fine": float(np.median(quality.fine[live])),
        }


Draw = Callable[[MaximizationResult], Mapping[str, np.ndarray]]


def evolution(result: MaximizationResult, row: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the source's snapshot steps that were kept, and row `row`'s images (S, C, H, W)
    after them.
    """
    ascent = result.ascent
    source_steps = set(snapshot_steps(ascent.objective.shape[1]))
    kept = [place for place, step in enumerate(ascent.snapshot_steps) if step in source_steps]
    return tuple(ascent.snapshot_steps[place] for place in kept), ascent.snapshots[row, kept]


def grey_levels(image: np.ndarray) -> np.ndarray:
    """Return an image (C, H, W) as uint8, (H, W) or (H, W, 3), scaled to its smallest and largest
    value.
    """
    image = image.astype(np.float64)
    low = image.min()
    high = image.max()
    levels = np.rint((image - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)
    return levels.transpose(1, 2, 0) if len(levels) == 3 else levels[0]


def arrays(result: MaximizationResult) -> dict[str, np.ndarray]:
    """Return all arrays by name: rows, images and starts in the network's input, snapshots,
    objective, quality.
    """
    ascent = result.ascent
    quality = result.quality
    return {
        "target": ascent.rows.targets,
        "restart": ascent.rows.restarts,
        "best": result.best,
        "images": ascent.images,
        "starts": ascent.starts,
        "snapshots": ascent.snapshots,
        "snapshot_steps": np.array(ascent.snapshot_steps),
        "objective": ascent.objective,
        "steps": ascent.steps,
        "outcome": np.array([result.outcome(row) for row in range(len(ascent))]),
        **vars(quality),
    }


def write_tensorboard(result: MaximizationResult, folder: str | Path, draw: Draw) -> Path:
    """Write pictures, the median objective by step and the quality of every image as events; return
    `folder`.

    `draw` returns the pictures by tag, uint8 (H, W, 3). Snapshots of the ascent are one image with
    a slider.
    """
    tag = f"maximize/{result.layer}/{result.settings.preset}"
    with event_writer(folder) as writer:
        for name, picture in draw(result).items():
            writer.add_image(f"{tag}/{name}", picture, dataformats="HWC")
        for place, step in enumerate(result.ascent.snapshot_steps):
            images = _mosaic(result, result.ascent.snapshots[result.best, place])
            writer.add_image(f"{tag}/ascent", images, step, dataformats="HWC")
        live = ~np.isnan(result.ascent.objective)
        for step in np.flatnonzero(live.any(0)):
            writer.add_scalar(
                f"{tag}/median_objective",
                np.median(result.ascent.objective[live[:, step], step]),
                step,
            )
        for name, values in vars(result.quality).items():
            if (finite := values[np.isfinite(values)]).size:
                writer.add_histogram(f"{tag}/{name}", finite)
    return Path(folder)


def _mosaic(result: MaximizationResult, images: np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) in rows of at most 16, separated by dark lines, as (height, width,
    3).
    """
    if images.shape[1] != 3:
        images = images.mean(1, keepdims=True).repeat(3, 1)
    shown = np.stack([result.levels(image) for image in images])
    columns = min(16, len(shown))
    shown = np.pad(shown, ((0, -len(shown) % columns), (0, 1), (0, 1), (0, 0)))
    count, height, width, _ = shown.shape
    return (
        shown.reshape(count // columns, columns, height, width, 3)
        .swapaxes(1, 2)
        .reshape(-1, columns * width, 3)
    )
