"""A folder of PyTorch code: ``model.py``, its weights, and a JSON file that describes them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..runs.model import Model
from .check import check
from .layer_outputs import with_layers
from .module import WRITTEN, TorchCode, torch_code
from .record import export_record, write_export

_LIMIT = 1e-6


def write_code(
    model: Model, source: Path, folder: Path, weights: str = "pt", layers: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a network as code into `folder`, its weights as ``pt`` or ``safetensors``; return the
    record.

    `layers` become further outputs. The code is first run and compared with the network. Raises
    UserError where the two differ, or where the folder holds a model.py that lit_mnist did not
    write.
    """
    _check_free(folder / "model.py")
    model = with_layers(model, layers)
    code = torch_code(model, title_of(source), weights == "safetensors")
    checked = check(model, _runner(model, code), model.spec.kept, _LIMIT, "model.py")
    files = {folder / f"model.{weights}": packed(code.weights, weights)}
    if code.scaling:
        files[folder / f"scaling.{weights}"] = packed(code.scaling, weights)
    files[folder / "model.py"] = code.source.encode()
    record = export_record(model, source, "code", files, checked)
    return write_export(files, record, folder / "model.json")


def title_of(source: Path) -> str:
    """Return the title of an export's source: name and version of a run, or the name of a file."""
    parts = source.parts[-2:] if source.is_dir() else source.parts[-1:]
    return "/".join(parts)


def packed(tensors: Mapping[str, Tensor], weights: str) -> bytes:
    """Return a file of tensors, as ``pt`` or ``safetensors``."""
    if weights == "safetensors":
        from safetensors.torch import save

        return save(dict(tensors))
    buffer = io.BytesIO()
    torch.save(dict(tensors), buffer)
    return buffer.getvalue()


def _runner(model: Model, code: TorchCode) -> Any:
    network = code.network().to(memory_format=torch.channels_last)

    def run(images: Tensor, pixels: np.ndarray) -> dict[str, Tensor]:
        with torch.no_grad():
            values = network(images)
        outputs = (values,) if isinstance(values, Tensor) else values
        return dict(zip(model.spec.kept, outputs, strict=True))

    return run


def _check_free(path: Path) -> None:
    """Raise UserError where `path` is a file that lit_mnist did not write."""
    if path.is_file() and WRITTEN not in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{path} exists, and lit_mnist did not write it; accepted: another folder")
