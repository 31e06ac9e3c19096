"""Opening of a trained network by a command's options: data set, scaling, output."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .progress import note

if TYPE_CHECKING:
    from ..runs.model import Model


def opened(
    ckpt_path: str,
    data_root: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
    output: str | None = None,
) -> Model:
    """Open a run folder, a checkpoint or a Keras file. Raises UserError.

    `dataset` replaces the network's data set. `scaling` says how the images of a Keras file were
    scaled; without it, a note says which scaling is assumed. `output` chooses the answer of a
    network with several outputs.
    """
    from ..data.options import check_dataset
    from ..runs.model import open_model

    model = open_model(ckpt_path, scaling, data_root)
    if model.scaling_assumed:
        note(
            f"{ckpt_path} does not say how its images were scaled: {model.standardizer.kind!r} is "
            "assumed; another by --data.standardize (none: pixels 0 to 255)"
        )
    if dataset is not None:
        model = replace(model, dataset=check_dataset(dataset))
    return model if output is None else model.with_output(output)
