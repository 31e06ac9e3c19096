"""Exports of one file (ONNX, torch.export, safetensors), each with a JSON file that describes
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..runs.model import Model
from .folder import packed
from .program import Program, exported, packed_program, program_of
from .record import export_record, write_export

FORMATS = ("onnx", "pt2", "safetensors")


def write_single(
    model: Model,
    source: Path,
    format: str,
    path: Path,
    layers: Sequence[str] = (),
    with_scaling: bool = False,
) -> dict[str, Any]:
    """Check an export against the network, write it into one file, and return its record.

    `layers` become further outputs; `with_scaling` lets the export scale pixels itself. Neither
    applies to safetensors, which holds only weights, under the keys of `Network.state_dict`.
    """
    if format == "safetensors":
        content = packed(_weights(model), "safetensors")
        record = export_record(model, source, format, {path: content}, {}, weights=_shapes(model))
        return write_export({path: content}, record, _json(path))
    program = program_of(model, layers, with_scaling)
    content, checked = _program(program, format)
    record = export_record(
        program.model,
        source,
        format,
        {path: content},
        checked,
        with_scaling=with_scaling,
        input_name=program.input,
        output_names=program.outputs,
    )
    return write_export({path: content}, record, _json(path))


def check_options(format: str, layers: Sequence[str] | None, with_scaling: bool) -> None:
    """Raise UserError for options that a format does not support."""
    for option, is_set, formats in (
        ("--layers", layers is not None, ("code", "onnx", "pt2")),
        ("--with_scaling", with_scaling, ("onnx", "pt2")),
    ):
        if is_set and format not in formats:
            raise UserError(f"{option} does not go with {format}; accepted: {', '.join(formats)}")


def _program(program: Program, format: str) -> tuple[bytes, dict[str, Any]]:
    if format == "pt2":
        return packed_program(program, exported(program))
    from .onnx_file import onnx_file

    return onnx_file(program)


def _weights(model: Model) -> dict[str, Any]:
    state = model.network.state_dict()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def _shapes(model: Model) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in model.network.state_dict().items()}


def _json(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
