"""Format and path of an export, by the name of the format or by the target's ending."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, nearest
from ..runs.model import KERAS_SUFFIXES

OWN = (".ckpt", *KERAS_SUFFIXES)
CODE = "code"
FORMATS = ("ckpt", "keras", "h5", "hdf5", "onnx", "pt2", "safetensors", CODE)
_ENDING = re.compile(r"\.[A-Za-z]\w*\Z")  # version_1.5 is a folder's name


@dataclass(frozen=True)
class Target:
    """A `format` and the `path` to write: a folder for code, whose weights are `weights`; else a
    file.
    """

    format: str
    path: Path
    weights: str = "pt"


def target_of(out: str, format: str | None, code: bool, default: str) -> Target:
    """Return the target of an export; without a format or a known ending, `default` in the folder
    `out`.

    Raises UserError for an unknown format or ending, and where the two contradict each other.
    """
    path = Path(out)
    if format is not None and format not in FORMATS and not code:
        raise UserError(f"--format {format}: unknown; {nearest(format, FORMATS)}")
    if code or format == CODE:
        return _code(path, format)
    ending = path.suffix.lower().removeprefix(".")
    known = ending in FORMATS and ending != CODE
    folder = not known and (path.is_dir() or out.endswith("/") or not _ENDING.match(path.suffix))
    if not known and not folder:
        raise UserError(
            f"out = {out!r}: unknown ending {path.suffix!r}; {nearest(path.suffix, _endings())}, "
            "or a folder (with --code for PyTorch code)"
        )
    if format is None or ending == format:
        return Target(ending, path) if known else Target(default, path / f"model.{default}")
    if known:
        raise UserError(
            f"out = {out!r} ends in {path.suffix}, but --format says {format}; accepted: the same "
            "format twice, or a folder"
        )
    return Target(format, path / f"model.{format}")


def _endings() -> list[str]:
    return [f".{name}" for name in FORMATS if name != CODE]


def _code(path: Path, format: str | None) -> Target:
    weights = "pt" if format in (None, CODE) else str(format)
    if weights not in ("pt", "safetensors"):
        raise UserError(
            f"--code with --format {format}: code keeps its weights as pt or safetensors; "
            "accepted: one of these"
        )
    if path.suffix == ".py" or path.is_file():
        raise UserError(
            f"out = {str(path)!r} cannot hold code: model.py and its weights are written together; "
            "accepted: a folder"
        )
    return Target(CODE, path, weights)
