"""Every image of a labelled data set that a network gets wrong, and the confusion matrix."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal

from ...outcome import Outcome
from ..progress import progress
from ..results import Results

if TYPE_CHECKING:
    import numpy as np

    from ...inside.evaluation import Evaluation

_IMAGES_A_PAGE = 60
_COLUMNS = 10
_NAMED_PAIRS = 5
_MOST_CLASSES = 40  # a confusion matrix of more classes cannot be read


def mistakes(
    ckpt_path: str,
    part: Literal["train", "test"] = "test",
    most: int = 600,
    out: str = "out/mistakes",
    batch_size: int = 128,
    svg: bool = False,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
) -> Outcome:
    """Draw every image that a network gets wrong, the most confident mistakes first, and the
    confusion matrix.

    Example: python -m lit_mnist mistakes --ckpt_path runs/cnn/version_0

    Args:
        part: part of the data set.
        most: number of mistakes to draw, 60 in a picture; mistakes.json lists all.
        out: folder for the pictures and mistakes.json.
    """
    from ...errors import need_whole
    from ...inside.evaluation import evaluate
    from ...inside.passes import batch_size as fitting
    from ...inside.passes import dataset_part
    from ..opening import opened

    need_whole("most", most)
    model = opened(ckpt_path, data_root, dataset, scaling, output)
    results = Results("mistakes", out, svg)
    pixels, labels = dataset_part(model, part)
    total = math.ceil(len(pixels) / fitting(model.spec, batch_size))
    evaluation = evaluate(
        model, pixels, labels, batch_size, lambda inputs: progress(inputs, total, "images")
    )
    names = list(model.class_names or map(str, range(model.spec.classes)))
    _draw(results, evaluation, pixels, labels, names, part, most)
    items = _items(evaluation, labels, names, part)
    data = {
        "network": model.path,
        "seed": model.seed,
        "part": part,
        "images": evaluation.images,
        "correct": evaluation.correct,
        "classes": names,
        "confusion": evaluation.confusion,
        "mistakes": items,
    }
    return results.finish(data, _text(evaluation, items, part))


def _draw(
    results: Results,
    evaluation: Evaluation,
    pixels: np.ndarray,
    labels: np.ndarray,
    names: list[str],
    part: str,
    most: int,
) -> None:
    from ...figures.evaluation import confusion_matrix, worst_mistakes

    if len(names) <= _MOST_CLASSES:
        results.picture(confusion_matrix(evaluation.confusion, names), "confusion")
    drawn = range(min(most, len(evaluation.wrong)))
    pages = [drawn[start : start + _IMAGES_A_PAGE] for start in drawn[::_IMAGES_A_PAGE]]
    for page in progress(pages, len(pages), "pictures"):
        wrong = evaluation.wrong[page.start : page.stop]
        figure = worst_mistakes(
            pixels[wrong],
            labels[wrong],
            evaluation.predicted[page.start : page.stop],
            evaluation.confidence[page.start : page.stop],
            [f"{part}:{number}" for number in wrong],
            names,
            _COLUMNS,
        )
        results.picture(figure, "mistakes", f"{page.start:03d}-{page.stop - 1:03d}")


def _items(
    evaluation: Evaluation, labels: np.ndarray, names: list[str], part: str
) -> list[dict[str, object]]:
    rows = zip(
        evaluation.wrong,
        evaluation.predicted,
        evaluation.confidence,
        evaluation.true_probability,
        strict=True,
    )
    return [
        {
            "image": f"{part}:{number}",
            "label": names[labels[number]],
            "predicted": names[guess],
            "confidence": confidence,
            "label_probability": true,
        }
        for number, guess, confidence, true in rows
    ]


def _text(evaluation: Evaluation, items: list[dict[str, object]], part: str) -> str:
    correct, images = evaluation.correct, evaluation.images
    first = (
        f"{correct} of {images} {part} images correct ({100 * correct / images:.2f} %), "
        f"{len(items)} wrong"
    )
    pairs = Counter((item["label"], item["predicted"]) for item in items)
    common = [
        f"{label} as {guess}: {count}" for (label, guess), count in pairs.most_common(_NAMED_PAIRS)
    ]
    return "\n".join([first, *(["most often " + ", ".join(common)] if common else [])])
