"""Keras files and checkpoints of lit_mnist, written from an opened source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..keras_files import OptimizerState, write_keras
from ..runs.keras_models import keras_metadata
from ..runs.model import Model, save_model
from .source import Source


def write_own(source: Source, target: Path) -> tuple[list[str], OptimizerState | None]:
    """Write a checkpoint or a Keras file, by the target's ending.

    Returns notes for the user, and the optimiser state that the file holds.
    """
    file = source.file
    if target.suffix.lower() != ".ckpt":
        metadata = keras_metadata(source.model)
        write_keras(
            target, file.spec, file.weights, file.optimizer, file.renamed, metadata, file.frozen
        )
        return [*file.notes, *_scaling_note(source)], file.optimizer
    notes = list(file.notes)
    states = []
    if any(array.dtype == np.float64 for array in file.weights.values()):
        notes.append("float64 weights are rounded to float32")
    if file.optimizer is not None:
        states, warnings = _torch_states(source.model, file.optimizer)
        notes += warnings
    save_model(source.model, target, states)
    return notes, file.optimizer if states else None


def _torch_states(
    model: Model, optimizer: OptimizerState
) -> tuple[list[dict[str, Any]], list[str]]:
    from ..training.exchange import to_state_dict

    state = to_state_dict(model.network, optimizer)
    if isinstance(state, str):
        return [], [f"optimiser state left out: {state}"]
    return [state], []


def _scaling_note(source: Source) -> list[str]:
    if source.kind != "checkpoint":
        return []
    return [
        f"Keras does not scale the images itself ({source.model.standardizer.kind}); the file and "
        "convert.json say how lit_mnist does"
    ]
