"""The JSON file beside an export: all that one needs to use it without lit_mnist."""

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
    **details: Any,
) -> dict[str, Any]:
    """Return the record of an export: input, scaling, classes, outputs, checks, checksums,
    versions.
    """
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
        **details,
        "checked": dict(check),
        "sha256": {
            path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()
        },
        "versions": versions(),
    }


def probabilities_of(model: Model) -> str:
    """Return the function that turns the answer into probabilities."""
    independent = model.spec.units == 1 or model.spec.output_activation == "sigmoid"
    return "sigmoid" if independent else "softmax"


def write_export(
    files: Mapping[Path, bytes], record: Mapping[str, Any], json: Path
) -> dict[str, Any]:
    """Write the files and the record of an export; return the record with the paths. Raises
    WriteError.
    """
    written: Sequence[Path] = [write_bytes(path, content) for path, content in files.items()]
    write_text(json, _rows_on_lines(to_json(record)) + "\n")
    return {**record, "files": [str(path) for path in (*written, json)]}


def _rows_on_lines(text: str) -> str:
    """Return JSON with each list of plain values on one line, so that 28 x 28 pixels take 28
    lines.
    """
    return re.sub(r"\[[^][{}]*\]", lambda match: " ".join(match[0].split()), text)
