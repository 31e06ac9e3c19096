"""Images of a data set that activate each map most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ...outcome import Outcome
from ..numbers import read_numbers
from ..progress import note, progress
from ..results import Results

if TYPE_CHECKING:
    import numpy as np

    from ...inside.top_images import Ranking, TopImages
    from ...runs.model import Model

_MAPS_A_PAGE = 16
_MOST_DRAWN = 128  # maps of a layer, where none are named


def top_images(
    ckpt_path: str,
    layer: list[str] | None = None,
    maps: list[str] | None = None,
    k: int = 8,
    by: Literal["peak", "mean", "both"] = "peak",
    part: Literal["train", "test"] = "train",
    out: str = "out/top_images",
    batch_size: int = 128,
    svg: bool = False,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
) -> Outcome:
    """Find the images that activate each map most, by peak or mean, and the patch that causes the
    peak.

    Example: python -m lit_mnist top_images --ckpt_path runs/cnn/version_0 --layer Conv2D_3 --k 8

    Args:
        layer: layers' names or globs (default: the last convolution).
        maps: numbers of the maps to draw, such as 3 17 or 0-15 (default: all, at most the first
            128); the JSON file holds all.
        k: number of images for each map.
        by: draw the top images by a map's highest value, by its mean, or both; the JSON file holds
            both.
        part: part of the data set to search.
        out: folder for the pictures (16 maps each) and top_images.json.
    """
    from ...inside.capture import select
    from ...inside.filters import last_convolution
    from ...inside.kept import kept_results
    from ...inside.passes import batch_size as fitting
    from ...inside.passes import dataset_part
    from ...inside.top_images import top_images_once
    from ..opening import opened

    model = opened(ckpt_path, data_root, dataset, scaling, output)
    results = Results("top_images", out, svg)
    layers = select(model.network, layer or last_convolution(model.network))
    drawn = {name: _chosen(model, name, maps) for name in layers}
    pixels, _ = dataset_part(model, part)
    names = [f"{part}:{number}" for number in range(len(pixels))]
    records = top_images_once(
        model,
        part,
        pixels,
        layers,
        k,
        kept_results(model, note),
        batch_size,
        lambda inputs: progress(
            inputs, math.ceil(len(pixels) / fitting(model.spec, batch_size)), "images"
        ),
    )
    for record in records:
        _draw(results, record, by, drawn[record.layer], pixels, names, model.seed)
    data = {
        "network": model.path,
        "seed": model.seed,
        "part": part,
        "images": len(pixels),
        "layers": [{"layer": record.layer, "maps": _maps(record, names)} for record in records],
    }
    text = "\n".join(
        f"{record.layer}: best {k} of {record.images:,} {part} images for each of "
        f"{len(record.peak.index)} maps"
        for record in records
    )
    return results.finish(data, text)


def _chosen(model: Model, layer: str, maps: list[str] | None) -> list[int]:
    count = model.spec[layer.partition(":")[0]].output_shape[-1]
    chosen = read_numbers(maps, count, "maps", f"of layer {layer!r}")
    if chosen is not None:
        return chosen
    if maps is None and count > _MOST_DRAWN:
        note(f"{layer}: the first {_MOST_DRAWN} of {count:,} maps are drawn; --maps all draws all")
        count = _MOST_DRAWN
    return list(range(count))


def _draw(
    results: Results,
    record: TopImages,
    by: str,
    maps: list[int],
    pixels: np.ndarray,
    names: list[str],
    seed: int | None,
) -> None:
    from ...figures.maps import top_images as draw

    pages = [
        (measure, maps[start : start + _MAPS_A_PAGE])
        for measure in (("peak", "mean") if by == "both" else (by,))
        for start in range(0, len(maps), _MAPS_A_PAGE)
    ]
    for measure, page in progress(pages, len(pages), f"pictures of {record.layer}"):
        figure = draw(record, measure, page, pixels, names, seed)
        results.picture(
            figure, "top_images", record.layer, measure, f"{page[0]:03d}-{page[-1]:03d}"
        )


def _maps(record: TopImages, names: list[str]) -> list[dict]:
    return [
        {
            "map": number,
            "peak": _entries(record.peak, number, names),
            "mean": _entries(record.mean, number, names),
        }
        for number in range(len(record.peak.index))
    ]


def _entries(ranking: Ranking, number: int, names: list[str]) -> list[dict]:
    rows = zip(ranking.index[number], ranking.values[number], ranking.boxes[number], strict=True)
    return [{"image": names[image], "value": value, "box": box} for image, value, box in rows]
