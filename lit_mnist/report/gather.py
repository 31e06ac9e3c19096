"""The content of a report, computed section by section; a section that fails is left out with the
reason.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..data import DataError, Dataset, load_dataset
from ..data.images import Images, read_images
from ..errors import UserError
from ..inside.evaluation import Evaluation, evaluate
from ..inside.passes import dataset_part
from ..runs.model import Model
from .content import Content, Options
from .run_files import epoch_history, read_json, read_text
from .sections import Bar, Sections, Track

_EXPLAINED_MISTAKES = 4
_COMPUTED = ("filters", "maps", "top_images", "preferred", "attributions")


def gather(
    model: Model,
    options: Options,
    track: Track = lambda items, total, title: iter(items),
    bar: Bar = lambda command: nullcontext(lambda task, done, total: None),
    say: Callable[[str], None] = lambda text: None,
) -> Content:
    """Compute all sections that are not left out; `track`, `bar` and `say` show progress."""
    run = model.run
    summary = read_json(run / "summary.json") if run else {}
    dataset, missing = _dataset(model, options)
    evaluation = None
    needless = options.images and "mistakes" in (*missing, *options.leave_out)
    if dataset is not None and not needless:
        say("report: test images")
        try:
            evaluation = evaluate(model, dataset.test_images, dataset.test_labels)
        except UserError as error:  # labels that are none of the network's classes
            if not options.images:
                raise
            missing["mistakes"] = str(error)
    digits = _digits(model, options, dataset, evaluation)
    sections = Sections(model, options, dataset, digits, track, bar, say)
    records: dict[str, Any] = {}
    for section in _COMPUTED:
        records[section] = ()
        if section in options.leave_out:
            continue
        try:
            records[section] = getattr(sections, section)()
        except UserError as error:
            missing[section] = str(error)
    return Content(
        model,
        model.class_names,
        digits,
        summary,
        read_text(run / "config.yaml") if run else "",
        epoch_history(run, summary) if run else {},
        dataset,
        None if "mistakes" in options.leave_out else evaluation,
        records["filters"],
        records["maps"],
        records["top_images"],
        records["preferred"],
        records["attributions"] or None,
        missing | dict.fromkeys(options.leave_out, "left out as asked"),
    )


def _dataset(model: Model, options: Options) -> tuple[Dataset | None, dict[str, str]]:
    try:
        root = options.data_root or model.data_root
        return load_dataset(model.dataset, root, network=model.spec), {}
    except DataError as error:
        if not options.images:
            raise UserError(
                f"report needs images: {error}; accepted: image files, with --images"
            ) from error
        return _unlabelled(model, options, str(error))


def _unlabelled(
    model: Model, options: Options, reason: str
) -> tuple[Dataset | None, dict[str, str]]:
    """Return pictures of no classes, or of other ones than the network's, with labels of -1; None
    where there are none. `reason` says why they are no test images.
    """
    try:
        pixels = dataset_part(model, "train", options.data_root)[0]
    except DataError:
        return None, dict.fromkeys(("mistakes", "top_images"), reason)
    unknown = np.full(len(pixels), -1)
    dataset = Dataset(model.dataset, pixels, unknown, pixels, unknown, model.class_names)
    return dataset, {"mistakes": reason}


def _digits(
    model: Model, options: Options, dataset: Dataset | None, evaluation: Evaluation | None
) -> Images:
    """Return the named images, else the first test image of each class and the most confident
    mistakes.
    """
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
