"""Activation statistics of layers and maps over a data set, and the silent maps."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal

from ...outcome import Outcome
from ..progress import note, progress
from ..results import Results

if TYPE_CHECKING:
    from ...inside.statistics import LayerStatistics, Silence


def activation_stats(
    ckpt_path: str,
    layer: list[str] | None = None,
    part: Literal["train", "test"] = "test",
    attempts: int = 1000,
    out: str = "out/activation_stats",
    batch_size: int = 128,
    svg: bool = False,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Measure mean, range and fraction of zeros of every map over a data set, and find silent maps.

    Example: python -m lit_mnist activation_stats --ckpt_path runs/cnn/version_0 --layer 'Conv2D_*'
    Dense_1

    A map that is zero for every image is "silent on this data". If it is also zero for all random
    inputs, it was "not raised" by them. It is called "unreachable" only where interval bounds prove
    that no input can raise it.

    Args:
        layer: layers' names or globs (default: all layers).
        part: part of the data set to measure.
        attempts: number of random inputs.
        out: folder for activation_stats.png and activation_stats.json; of more than 16 layers, the
            picture is an overview (75 layers a page), and the pages after it,
            activation_stats_2.png and so on, show every map.
        svg: also write the picture as SVG.
        seed: seed of the random inputs.
    """
    from ...errors import need_whole
    from ...figures.statistics import pages
    from ...inside.capture import select
    from ...inside.kept import kept_results
    from ...inside.passes import batch_size as fitting
    from ...inside.passes import dataset_part
    from ...inside.statistics import activation_statistics_once, silence
    from ..opening import opened

    need_whole("attempts", attempts)
    model = opened(ckpt_path, data_root, dataset, scaling, output)
    results = Results("activation_stats", out, svg)
    pixels, _ = dataset_part(model, part)
    statistics = activation_statistics_once(
        model,
        part,
        pixels,
        select(model.network, layer or "*"),
        kept_results(model, note),
        batch_size,
        lambda inputs: progress(
            inputs, math.ceil(len(pixels) / fitting(model.spec, batch_size)), "images"
        ),
    )
    quiet = silence(
        model,
        statistics,
        attempts,
        seed,
        lambda noise: progress(noise, math.ceil(attempts / fitting(model.spec)), "random inputs"),
    )
    for number, page in enumerate(pages(statistics, quiet, model.seed), 1):
        results.picture(page, "activation_stats", *([number] if number > 1 else []))
    data = {
        "network": model.path,
        "network_seed": model.seed,
        "seed": seed,
        "part": part,
        "images": len(pixels),
        "attempts": attempts,
        "layers": [_layer(*pair) for pair in zip(statistics, quiet, strict=True)],
    }
    return results.finish(
        data, "\n".join(_line(*pair) for pair in zip(statistics, quiet, strict=True))
    )


def _layer(statistics: LayerStatistics, quiet: Silence) -> dict:
    return {
        "layer": statistics.layer,
        "mean": statistics.mean,
        "minimum": statistics.minimum,
        "maximum": statistics.maximum,
        "zeros": statistics.zeros,
        "state": [quiet.state(number) for number in range(len(statistics.mean))],
    }


def _line(statistics: LayerStatistics, quiet: Silence) -> str:
    count = len(statistics.mean)
    states = Counter(quiet.state(number) for number in range(count))
    tally = ", ".join(f"{number} {state}" for state, number in states.most_common())
    return (
        f"{statistics.layer}: mean {statistics.mean.mean():.4g}, {statistics.minimum.min():.4g} to "
        f"{statistics.maximum.max():.4g}, {statistics.zeros.mean():.1%} zeros; of {count} maps: "
        f"{tally}"
    )
