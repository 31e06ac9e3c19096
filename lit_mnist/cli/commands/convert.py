"""Networks in other forms: PyTorch code, ONNX, torch.export, safetensors, Keras files,
checkpoints.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from ...files import write_json
from ...outcome import Outcome

if TYPE_CHECKING:
    from ...export.source import Source
    from ...export.targets import Target


def convert(
    source: str,
    out: str,
    code: bool = False,
    format: str | None = None,
    layers: list[str] | None = None,
    with_scaling: bool = False,
    verify: bool = False,
    config: str | None = None,
    standardize: str | None = None,
    data_root: str | None = None,
    seed: int = 0,
    output: str | None = None,
) -> Outcome:
    """Convert a network: to PyTorch code, ONNX, a Keras file, or a checkpoint that every command
    accepts.

    Example: python -m lit_mnist convert model.h5 out/ --verify

    Args:
        source: a Keras file (.keras, .h5, .hdf5), a checkpoint, or a run folder.
        out: a folder (for model.ckpt or model.keras), or a file whose ending is the format: .ckpt,
            .keras, .h5, .hdf5, .onnx, .pt2 (torch.export), .safetensors.
        code: write PyTorch code that needs only torch, model.py and its weights, into the folder
            `out`.
        format: the format, where the ending does not say it: ckpt, keras, h5, hdf5, onnx, pt2,
            safetensors, code. With `code` it is the format of the weights: pt or safetensors.
        layers: names of layers that become further outputs of code, onnx and pt2.
        with_scaling: let onnx and pt2 take pixels, 0 to 255, and scale them as in training.
        verify: compare every layer's output with Keras' on random images (extra `keras`).
        config: describes the network of weights alone (Keras weights, a torch state dict): a YAML
            file of lit_mnist, or Keras' JSON or YAML (model.to_json()), which is also found beside
            the weights.
        standardize: how the images of a Keras network were scaled (unit, none, per_pixel, ...),
            since a Keras file does not say it. Default: none where the network starts by rescaling,
            else unit.
        data_root: folder of MNIST, for scalings that are fitted on it.
        seed: seed of the images for `verify`.
        output: name of the output that is the network's answer (default: the first that is a
            vector).

    Raises UserError where `verify` finds a layer that differs; the files stay, for inspection.
    """
    from ...export.single import check_options
    from ...export.source import kind_of, open_source, with_output
    from ...export.targets import OWN, target_of

    path = Path(source)
    kind = kind_of(path, config)
    target = target_of(out, format, code, "keras" if kind == "checkpoint" else "ckpt")
    _check(path, kind, target, verify)
    check_options(target.format, layers, with_scaling)
    opened = open_source(path, config, standardize, data_root)
    if output is not None:
        opened = with_output(opened, output)
    if f".{target.format}" in OWN:
        return _written_own(opened, target.path, verify, seed)
    return _exported(opened, target, layers or [], with_scaling)


def _check(path: Path, kind: str, target: Target, verify: bool) -> None:
    """Raise UserError where there is nothing to convert, or nothing to verify."""
    from ...runs.model import KERAS_SUFFIXES

    out = target.path
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(
            f"out = {str(out)!r} is the source itself; accepted: another file or a folder"
        )
    if kind == "checkpoint" and target.format == "ckpt":
        raise UserError(
            f"{path}: a checkpoint need not be converted to a checkpoint; accepted as out: "
            f"a folder, or a file ending in {', '.join(KERAS_SUFFIXES)}"
        )
    keras = kind == "keras" or f".{target.format}" in KERAS_SUFFIXES
    if verify and not keras:
        raise UserError(
            "--verify compares with Keras, but there is no Keras file here; an export is compared "
            "with this network in any case; accepted: the command without --verify"
        )


def _written_own(source: Source, target: Path, verify: bool, seed: int) -> Outcome:
    """Write a Keras file or a checkpoint, and convert.json beside it."""
    from ...comparison.parity.verification import failure, verified
    from ...export.own import write_own
    from ..conversion import record_of, text_of

    notes, optimizer = write_own(source, target)
    model = source.model
    reference = source.path if source.kind == "keras" else target
    errors = verified(model, source.file, reference, seed) if verify else None
    file = replace(source.file, optimizer=optimizer)
    record = record_of(model, file, source.path, target, notes, errors)
    write_json(target.parent / "convert.json", record)
    if errors is not None and not record["verified"]["ok"]:
        raise UserError(failure(record))
    return Outcome(record, text_of(model, source.file, record, errors))


def _exported(source: Source, target: Target, layers: list[str], with_scaling: bool) -> Outcome:
    """Write a format that does not need lit_mnist, and a JSON file beside it."""
    from ...export.folder import write_code
    from ...export.single import write_single

    names = [name for text in layers for name in text.split(",") if name]
    model, path = source.model, target.path
    if target.format == "code":
        record = write_code(model, source.path, path, target.weights, names)
    else:
        record = write_single(model, source.path, target.format, path, names, with_scaling)
    return Outcome(record, _text(record, source.file.notes))


def _text(record: dict[str, Any], notes: tuple[str, ...]) -> str:
    return "\n".join(
        [
            f"{record['source']}: {record['parameters']:,} parameters, "
            f"scaling of the images: {record['scaling']['kind']}",
            *(f"note: {note}" for note in notes),
            *_checked(record["checked"]),
            *(f"written: {file}" for file in record["files"]),
        ]
    )


def _checked(checked: dict[str, Any]) -> list[str]:
    if not checked:
        return []
    difference = f"within {checked['largest_difference']:.1e}"
    agreement = "to the bit" if checked["equal"] else difference
    images = f"{checked['images']} random images"
    return [f"{checked['by']} gives the same outputs as this network, {agreement}, on {images}"]
