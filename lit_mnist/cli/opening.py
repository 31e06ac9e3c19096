"""How commands open a trained network: its data, the scaling of a Keras file's images, and one of its outputs."""

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
    """Open a run folder, a checkpoint or a Keras file as a command's options say.

    `dataset` replaces the network's own; `scaling` says how a Keras file's images were scaled, and a note tells
    which was assumed; `output` chooses the answer of a network of several outputs. Raises UserError.
    """
    from ..data.options import check_dataset
    from ..runs.model import open_model

    model = open_model(ckpt_path, scaling, data_root)
    if model.scaling_assumed:
        note(
            f"{ckpt_path} does not say how its images were scaled: {model.standardizer.kind!r} is assumed; "
            "another by --data.standardize (none: pixels 0 to 255)"
        )
    if dataset is not None:
        model = replace(model, dataset=check_dataset(dataset))
    return model if output is None else model.with_output(output)
