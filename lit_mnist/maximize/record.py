"""Ascents that are kept with their network, so that later commands can read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import torch

from ..inside.kept import KeptResults
from ..network import Network
from .ascent import Ascent
from .result import Settings
from .rows import Rows

RECORD = "maximization"  # the name under which they are kept
LARGEST = 32 * 2**20  # largest ascent that is kept, in bytes; the frames of an animation are larger
_BY_ROW = ("starts", "images", "objective", "steps", "stops", "snapshots")


def ascent_once(
    kept: KeptResults | None,
    about: dict[str, Any],
    rows: Rows,
    snapshot_steps: tuple[int, ...],
    compute: Callable[[], Ascent],
) -> Ascent:
    """Return the ascent of `rows`: from the record if it holds them all, else from `compute`.

    `about` (`ascent_settings`) holds what the ascent depends on, besides its rows. A record is only
    replaced by one with at least as many rows; a record of more than 32 MiB is not kept.
    """
    record = kept.read(RECORD, about) if kept else None
    if record and (ascent := _selected(record, rows, snapshot_steps)):
        return ascent
    ascent = compute()
    content = _content(ascent)
    bytes_ = sum(value.nbytes for value in content.values() if isinstance(value, np.ndarray))
    if kept and bytes_ <= LARGEST and len(rows) >= len(record["targets"] if record else ()):
        kept.write(RECORD, about, content)
    return ascent


def ascent_settings(network: Network, kind: str, layer: str, settings: Settings) -> dict[str, Any]:
    """Return what a row's ascent depends on, besides target and restart, as plain values."""
    weight = next(network.parameters(), torch.zeros(()))
    return {
        "kind": kind,
        "layer": layer,
        "device": weight.device.type,
        "dtype": str(weight.dtype),
        **{
            name: value
            for name, value in asdict(settings).items()
            if name not in ("restarts", "snapshots")
        },
    }


def _content(ascent: Ascent) -> dict[str, Any]:
    rows = ascent.rows
    content = {field.name: getattr(ascent, field.name) for field in fields(Ascent)} | {
        "targets": rows.targets,
        "restarts": rows.restarts,
        "stops": ascent.stops.tolist(),
    }
    del content["rows"]
    return content


def _selected(record: dict[str, Any], rows: Rows, snapshot_steps: tuple[int, ...]) -> Ascent | None:
    """Return the ascent of `rows` from the record; None if a row or one of its snapshots is
    missing.
    """
    row_of = {
        key: place
        for place, key in enumerate(
            zip(record["targets"].tolist(), record["restarts"].tolist(), strict=True)
        )
    }
    keys = list(zip(rows.targets.tolist(), rows.restarts.tolist(), strict=True))
    if not set(keys) <= set(row_of) or not set(snapshot_steps) <= set(record["snapshot_steps"]):
        return None
    chosen = np.array([row_of[key] for key in keys])
    by_row = {name: np.asarray(record[name])[chosen] for name in _BY_ROW}
    frames = [record["snapshot_steps"].index(step) for step in snapshot_steps]
    by_row["snapshots"] = by_row["snapshots"][:, frames]
    return Ascent(rows, **by_row, snapshot_steps=snapshot_steps)
