"""One map of every layer for several images, side by side."""

from __future__ import annotations

from ...errors import UserError
from ...outcome import Outcome
from ..numbers import read_numbers
from ..results import Results
from .features import answer_data, answer_text

_LARGEST = 10**9  # maps; each layer says how many it has


def journey(
    ckpt_path: str,
    images: list[str] | None = None,
    maps: list[str] | None = None,
    layer: list[str] | None = None,
    out: str = "out/journey",
    svg: bool = False,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
) -> Outcome:
    """Draw one map of every layer for several images: images in rows, layers in columns.

    Example: python -m lit_mnist journey --ckpt_path runs/fashion_cnn/version_0 --images test:0
    test:23 --maps 1

    Args:
        images: ids such as test:19 or train:31727, or image files (default: test:0 test:23 test:28,
            three shoes where the data set is Fashion-MNIST).
        maps: number of the map, from 0 (the default); every chosen layer must have it.
        layer: layers' names or globs (default: every convolution and pooling layer).
        out: folder for journey.png and journey.json (with all values).
        svg: also write the picture as SVG.
    """
    from ...data.images import read_images
    from ...figures.maps import journey as draw
    from ...inside.maps import journey as travel
    from ..opening import opened

    (number, *more) = read_numbers(maps, _LARGEST, "maps") or [0]
    if more:
        raise UserError(
            f"--maps {' '.join(maps or [])}: journey draws one map of every layer; accepted: one "
            "number"
        )
    model = opened(ckpt_path, data_root, dataset, scaling, output)
    results = Results("journey", out, svg)
    names = images or ["test:0", "test:23", "test:28"]
    read = read_images(names, model.dataset, model.data_root, model.spec.input_shape)
    record = travel(model, read, number, layer)
    results.picture(draw(record, model.class_names), "journey")
    values = [dict(zip(record.layers, row, strict=True)) for row in record.values]
    data = {
        "network": model.path,
        "seed": model.seed,
        "map": number,
        "layers": record.layers,
        "images": [
            answer_data(answer) | {"values": row}
            for answer, row in zip(record.answers, values, strict=True)
        ],
    }
    return results.finish(data, "\n".join(answer_text(answer) for answer in record.answers))
