"""The images of a result as others take them: arrays for a file, entries for a page, events for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..environment import event_writer
from .ascent import snapshot_steps
from .wanted import WantedImages

Draw = Callable[[WantedImages], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Entry:
    """One target's best image for a page: `pixels` and, top first, those of the data, all uint8 (H, W) or (H, W, 3).

    `steps` and `evolution` (S, H, W[, 3]) show how it came about; `card` is its quality card.
    """

    target: int
    name: str
    pixels: np.ndarray
    card: dict[str, Any]
    steps: tuple[int, ...]
    evolution: np.ndarray
    top: np.ndarray


def entries(result: WantedImages, top: int = 4) -> list[Entry]:
    """Return the best image of every target, ready to be embedded, with up to `top` images of the data beside it."""
    found = []
    for target, row in zip(result.targets, result.best, strict=True):
        steps, images = evolution(result, int(row))
        data = result.data.top(target)[:top] if result.data else np.empty((0, 1, 1), np.uint8)
        found.append(Entry(target, result.name(target), grey_levels(result.ascent.images[row]), result.card(int(row)),
                           steps, np.stack([grey_levels(image) for image in images]), data))
    return found


def evolution(result: WantedImages, row: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the source's snapshot steps that were kept, and row `row`'s images (S, C, H, W) after them."""
    ascent = result.ascent
    wanted = set(snapshot_steps(ascent.objective.shape[1]))
    kept = [place for place, step in enumerate(ascent.snapshot_steps) if step in wanted]
    return tuple(ascent.snapshot_steps[place] for place in kept), ascent.snapshots[row, kept]


def grey_levels(image: np.ndarray) -> np.ndarray:
    """Return an image (C, H, W) of any scale as uint8 (H, W), or (H, W, 3): its least value 0, its largest 255."""
    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    levels = np.rint((image - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)
    return levels.transpose(1, 2, 0) if len(levels) == 3 else levels[0]


def arrays(result: WantedImages) -> dict[str, np.ndarray]:
    """Return all arrays under names: rows, images and starts in the network's input, snapshots, objective, quality."""
    ascent, quality = result.ascent, result.quality
    return {"target": ascent.rows.targets, "restart": ascent.rows.restarts, "best": result.best,
            "images": ascent.images, "starts": ascent.starts, "snapshots": ascent.snapshots,
            "snapshot_steps": np.array(ascent.snapshot_steps), "objective": ascent.objective, "steps": ascent.steps,
            "outcome": np.array([result.outcome(row) for row in range(len(ascent))]), **vars(quality)}


def write_tensorboard(result: WantedImages, folder: str | Path, draw: Draw) -> Path:
    """Write pictures, median objective per step and the quality of every image as events into `folder`; return it.

    `draw` gives the pictures, tag -> uint8 (H, W, 3). Snapshots of the ascent are one image with a slider.
    """
    tag = f"maximize/{result.layer}/{result.settings.preset}"
    with event_writer(folder) as writer:
        for name, picture in draw(result).items():
            writer.add_image(f"{tag}/{name}", picture, dataformats="HWC")
        for place, step in enumerate(result.ascent.snapshot_steps):
            images = _mosaic(result.ascent.snapshots[result.best, place])
            writer.add_image(f"{tag}/ascent", images, step, dataformats="HW")
        live = ~np.isnan(result.ascent.objective)
        for step in np.flatnonzero(live.any(0)):
            writer.add_scalar(f"{tag}/median_objective", np.median(result.ascent.objective[live[:, step], step]), step)
        for name, values in vars(result.quality).items():
            if (finite := values[np.isfinite(values)]).size:
                writer.add_histogram(f"{tag}/{name}", finite)
    return Path(folder)


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W) in rows of 16 or fewer, a dark line between them; colours as their mean."""
    shown = np.stack([grey_levels(image.mean(0, keepdims=True)) for image in images])
    columns = min(16, len(shown))
    shown = np.pad(shown, ((0, -len(shown) % columns), (0, 1), (0, 1)))
    count, height, width = shown.shape
    return shown.reshape(count // columns, columns, height, width).transpose(0, 2, 1, 3).reshape(-1, columns * width)
