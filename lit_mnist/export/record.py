"""The small JSON beside an export: all that must be known to use it without this program."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..environment import versions
from ..files import to_json, write_bytes, write_text
from ..runs.model import Model
from .forward import torch_shape


def export_record(
    model: Model,
    source: Path,
    format: str,
    files: Mapping[Path, bytes],
    check: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """Return what an export holds: input, scaling, classes, outputs, versions, checksums, and what was checked."""
    spec = model.spec
    return {
        "format": format,
        "source": str(source),
        "input_shape": list(spec.input_shape),
        "input": ["N", *torch_shape(spec.input_shape)],
        "scaling": model.standardizer.to_dict(),
        "classes": list(model.class_names),
        "outputs": list(spec.kept),
        "answer": f"logits; {probabilities_of(model)} gives probabilities",
        "parameters": spec.parameters,
        **more,
        "checked": dict(check),
        "sha256": {
            path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()
        },
        "versions": versions(),
    }


def probabilities_of(model: Model) -> str:
    """Return the function that turns the answer into probabilities."""
    one_each = model.spec.units == 1 or model.spec.output_activation == "sigmoid"
    return "sigmoid" if one_each else "softmax"


def write_export(
    files: Mapping[Path, bytes], record: Mapping[str, Any], json: Path
) -> dict[str, Any]:
    """Write an export's files and its record; return the record with the files' names. Raises WriteError."""
    written: Sequence[Path] = [write_bytes(path, content) for path, content in files.items()]
    write_text(json, _rows_on_lines(to_json(record)) + "\n")
    return {**record, "files": [str(path) for path in (*written, json)]}


def _rows_on_lines(text: str) -> str:
    """Return JSON with each list of plain values in one line: a mean of 28 x 28 pixels is 28 lines."""
    return re.sub(r"\[[^][{}]*\]", lambda match: " ".join(match[0].split()), text)
