"""Photographs after hand-made filters and max-pooling, beside the learnt filters that resemble
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...outcome import Outcome
from ..results import Results

if TYPE_CHECKING:
    import numpy as np

    from ...studies.kernels import Resemblance


def kernels(
    images: list[str] | None = None,
    kernel: list[str] | None = None,
    pool: int = 2,
    ckpt_path: str | None = None,
    count: int = 4,
    out: str = "out/kernels",
    svg: bool = False,
) -> Outcome:
    """Apply 3 x 3 kernels of your choice and max-pooling to photographs, and draw the results.

    Example: python -m lit_mnist kernels --kernel sobel_x '0,1,0;1,-4,1;0,1,0'

    A kernel's output is the weighted sum of each pixel and its neighbours, without padding, clipped
    to 0..255. With --ckpt_path, the learnt filters of the network's first convolution are shown
    beside the hand-made ones that they resemble most, both applied to the photograph.

    Args:
        images: image files, or china.jpg and flower.jpg of scikit-learn (default: china.jpg).
        kernel: edges, vertical, horizontal (the default three), sobel_x, sobel_y, prewitt_x,
            prewitt_y, laplacian, sharpen, blur, emboss, or nine numbers such as
            '-1,0,1;-2,0,2;-1,0,1'.
        pool: side of the max-pooling window, in pixels.
        count: number of learnt filters to draw, each resembling a different hand-made one.
        out: folder for the pictures, kernels.npz (all that was computed) and kernels.json.
    """
    from ...errors import UserError
    from ...figures.studies import filtered as draw
    from ...studies.kernels import apply, different, photograph_name, read_kernel, read_photograph

    if count < 1:
        raise UserError(f"--count {count}: cannot work; accepted: a whole number above 0")
    names = images or ["china.jpg"]
    chosen = [read_kernel(text) for text in kernel or ("edges", "vertical", "horizontal")]
    photographs = [(photograph_name(name), read_photograph(name)) for name in names]
    pairs = _resemblances(ckpt_path) if ckpt_path else []
    results = Results("kernels", out, svg)
    arrays: dict[str, np.ndarray] = {}
    for name, grey in photographs:
        responses = [apply(grey, each, pool) for each in chosen]
        results.picture(draw(grey, responses), "kernels", name)
        for each in responses:
            arrays[f"{name}/{each.kernel.name}/response"] = each.response
            arrays[f"{name}/{each.kernel.name}/pooled"] = each.pooled
        if pairs:
            _draw_pairs(results, different(pairs, count), name, grey)
    results.arrays(**arrays)
    data: dict[str, Any] = {
        "images": {name: list(grey.shape) for name, grey in photographs},
        "kernels": {each.name: each.weights for each in chosen},
        "pool": pool,
        "learnt": [_entry(pair) for pair in pairs],
    }
    lines = [f"{name}: {', '.join(each.name for each in chosen)}" for name, _ in photographs]
    lines += [
        f"map {pair.map}: {pair.hand_made.name}, correlation {pair.correlation:.2f}"
        for pair in different(pairs, count)
    ]
    return results.finish(data, "\n".join(lines))


def _resemblances(ckpt_path: str) -> list[Resemblance]:
    from ...errors import UserError
    from ...inside.filters import convolutions, filters
    from ...runs.model import open_model
    from ...studies.kernels import resemblances

    model = open_model(ckpt_path)
    names = convolutions(model.network)
    if not names:
        raise UserError(
            f"{ckpt_path}: this network has no convolution; accepted: a network with convolutions"
        )
    return resemblances(filters(model.network, names[0]).kernels, names[0])


def _draw_pairs(results: Results, pairs: list[Resemblance], name: str, grey: np.ndarray) -> None:
    from ...figures.studies import resembling
    from ...studies.kernels import apply, scaled_to

    drawn = [
        (pair, apply(grey, scaled_to(pair.learnt, pair.hand_made)), apply(grey, pair.hand_made))
        for pair in pairs
    ]
    results.picture(resembling(drawn), "learnt", name)


def _entry(pair: Resemblance) -> dict[str, Any]:
    return {
        "map": pair.map,
        "weights": pair.learnt.weights,
        "hand_made": pair.hand_made.name,
        "correlation": pair.correlation,
    }
