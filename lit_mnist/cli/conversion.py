"""The report of ``convert`` on a Keras file or a checkpoint that it wrote: a record, and a table of
layers.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..comparison.parity.verification import checked, layer_record, verdict
from ..environment import versions
from ..keras_files import KerasFile
from ..runs.model import Model

if TYPE_CHECKING:
    from ..comparison.parity.converted import LayerErrors

_ERRORS = ("largest_difference", "rounding")


def record_of(
    model: Model,
    file: KerasFile,
    source: Path,
    target: Path,
    notes: list[str],
    errors: LayerErrors | None,
) -> dict[str, Any]:
    """Return the record of a conversion, the content of convert.json."""
    layers = [
        {
            "name": info.name,
            "name_in_file": file.renamed.get(info.name, info.name),
            "type": info.type,
            "output_shape": info.output_shape,
            "parameters": info.parameters,
        }
        | ({} if errors is None else layer_record(errors, info.name))
        for info in model.spec.table
    ]
    optimizer = (
        None
        if file.optimizer is None
        else {
            "name": file.optimizer.name,
            "iteration": file.optimizer.iteration,
            "slots": sorted(file.optimizer.slots),
        }
    )
    return {
        "source": str(source),
        "keras_version": file.keras_version,
        "input_shape": model.spec.input_shape,
        "classes": model.class_names,
        "parameters": model.spec.parameters,
        "layers": layers,
        "standardizer": model.standardizer.to_dict(),
        "optimizer": optimizer,
        "notes": notes,
        "verified": errors and checked(errors),
        "sha256": {target.name: hashlib.sha256(target.read_bytes()).hexdigest()},
        "versions": versions(),
        "files": [str(target), str(target.parent / "convert.json")],
    }


def text_of(
    model: Model, file: KerasFile, record: dict[str, Any], errors: LayerErrors | None
) -> str:
    """Return the record as readable text."""
    head = ["layer", "type", "output shape", "parameters"] + (
        [] if errors is None else ["largest difference", "float32 rounding"]
    )
    rows = [
        [
            layer["name"],
            layer["type"],
            " x ".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:,}",
        ]
        + ([] if errors is None else [_number(layer[key]) for key in _ERRORS])
        for layer in record["layers"]
    ]
    rows.append(
        ["total", "", "", f"{record['parameters']:,}"]
        + ([] if errors is None else [_number(record["verified"]["largest_difference"]), ""])
    )
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i > 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    written_by = f", written by Keras {file.keras_version}" if file.keras_version else ""
    lines = [
        f"{record['source']}{written_by}",
        "",
        *lines,
        "",
        f"scaling of the images: {model.standardizer.kind}",
    ]
    if record["optimizer"]:
        optimizer = record["optimizer"]
        slots = ", ".join(optimizer["slots"]) or "none"
        iteration = optimizer["iteration"]
        steps = "an unknown number of" if iteration is None else iteration
        lines.append(f"optimiser: {optimizer['name']} after {steps} steps, slots: {slots}")
    lines += [f"note: {note}" for note in record["notes"]]
    if errors is not None:
        lines += verdict(record["verified"])
    return "\n".join([*lines, f"written: {record['files'][0]}"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2e}"
