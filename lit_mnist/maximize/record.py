"""Ascents that are kept with their network, so that later commands can read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from itertools import product
from typing import Any

import numpy as np
import torch

from ..inside.capture import PRE
from ..inside.kept import KeptResults
from ..network import Network
from .ascent import Ascent
from .presets import stage_steps
from .result import Settings
from .rows import Rows

RECORD = "maximization"  # the name under which they are kept
# largest ascent that is kept, in bytes: 128 maps' images of 150 x 150 colour pixels fit; the frames
# of an animation are larger
LARGEST = 80 * 2**20
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
    replaced by one with at least as many rows; a record of more than 80 MiB is not kept.
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
    """Return what a row's ascent depends on, besides target and restart, as plain values.

    `steps` is the number itself where the settings leave it to the preset.
    """
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
        "steps": stage_steps(settings.preset, settings.steps)[-1],
    }


def settings_on_record(kept: KeptResults, network: Network, kind: str) -> dict[str, Settings]:
    """Return, by layer, the settings of the best kept ascents of all its targets of `kind`.

    The preset `source` is best, then most steps, then most restarts. With these settings,
    `maximize_maps` reads the record and makes no ascent.
    """
    best: dict[str, tuple[tuple[bool, int, int], Settings]] = {}
    for about, content in kept.all(RECORD):
        settings = _settings(about, content, network) if about["kind"] == kind else None
        if settings is None:
            continue
        layer = about["layer"]
        rank = (settings.preset == "source", content["objective"].shape[1], settings.restarts)
        if layer not in best or rank > best[layer][0]:
            best[layer] = (rank, settings)
    return {layer: settings for layer, (_, settings) in best.items()}


def _settings(about: dict[str, Any], content: dict[str, Any], network: Network) -> Settings | None:
    """Return the settings of a record of all targets of its layer; None for other records.

    Records with given or searched starts are left out, since reading them would make the starts
    anew.
    """
    chosen = {field.name: about[field.name] for field in fields(Settings) if field.name in about}
    if chosen["starts"] is not None or chosen["search"]:
        return None
    restarts = int(content["restarts"].max()) + 1
    settings = Settings(**chosen, restarts=restarts, snapshots=0)
    count = network.spec[about["layer"].removesuffix(PRE)].output_shape[-1]
    rows = set(zip(content["targets"].tolist(), content["restarts"].tolist(), strict=True))
    whole = rows == set(product(range(count), range(restarts)))
    same = about == ascent_settings(network, about["kind"], about["layer"], settings)
    return settings if whole and same else None


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
