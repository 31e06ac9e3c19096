"""Between Keras files and this program's checkpoints, in either direction."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UserError
from ...files import write_json
from ...outcome import Outcome

if TYPE_CHECKING:
    from ...comparison.parity.converted import LayerErrors
    from ...keras_files import KerasFile, OptimizerState
    from ...runs.model import Model

_LIMIT = 5e-5  # of a layer's largest output (or of 1): what float32 explains (1.1e-5 was seen in 145 layers)
_IMAGES = 16
_VALUES = (
    2**19
)  # of all images: every layer's outputs are kept, so large images come in smaller number


def convert(
    source: str,
    out: str,
    verify: bool = False,
    config: str | None = None,
    standardize: str | None = None,
    data_root: str | None = None,
    seed: int = 0,
    output: str | None = None,
) -> Outcome:
    """Turn a Keras file into a checkpoint that every command accepts, or a checkpoint or run into a Keras file.

    Example: python -m lit_mnist convert model.h5 out/ --verify

    Args:
        source: a Keras file (.keras, .h5, .hdf5), a checkpoint, or a run folder.
        out: a folder (model.ckpt or model.keras is written there), or a file's name; its ending says
            what is written: .ckpt, .keras, .h5, .hdf5.
        verify: compare every layer's output with Keras' own on random images (extra `keras`).
        config: the network of weights that come alone (Keras' weights, a torch state dict): a YAML file of this
            program, or Keras' own JSON or YAML (model.to_json()). Keras' is also found beside the weights.
        standardize: how the Keras network's images were scaled (unit, none, per_pixel, ...); a Keras file
            does not say it. Default: none where the network starts by rescaling, else unit.
        data_root: where MNIST lies, for scalings that are fitted on it.
        seed: draws the images of `verify`.
        output: which of the network's outputs is its answer, by name (default: the first that gives a vector).

    Raises UserError where `verify` finds a layer that differs; what was written stays, for looking into.
    """
    from ...keras_files.content import is_keras
    from ...runs.model import KERAS_SUFFIXES

    path = Path(source)
    target = Path(out)
    from_keras = (
        path.is_file()
        and is_keras(path)
        or path.suffix.lower() in KERAS_SUFFIXES
        and not path.is_dir()
    )
    state_dict = config is not None and not from_keras and path.is_file()
    if target.suffix.lower() not in (".ckpt", *KERAS_SUFFIXES):
        target = target / ("model.ckpt" if from_keras or state_dict else "model.keras")
    if target.exists() and path.exists() and target.samefile(path):
        raise UserError(f"out = {out!r} is the source itself; accepted: another file or a folder")
    to_keras = target.suffix.lower() in KERAS_SUFFIXES
    if not from_keras and not to_keras and not state_dict:
        raise UserError(
            f"{source}: from a checkpoint to a checkpoint there is nothing to convert; accepted as out: "
            f"a folder, or a file ending in {', '.join(KERAS_SUFFIXES)}"
        )
    if not from_keras and not state_dict and (config or standardize):
        raise UserError(
            f"--config and --standardize are for Keras files; {source} carries its own network and scaling"
        )
    if from_keras:
        model, file = _from_keras(path, config, standardize, data_root)
    elif state_dict:
        model, file = _from_state_dict(path, str(config), standardize, data_root)
    else:
        model, file = _from_checkpoint(path)
    if output is not None:
        model, file = _with_output(model, file, output)
    notes, optimizer = _write(model, file, target)
    reference = path if from_keras else target
    errors = _verified(model, file, reference, target, seed) if verify else None
    record = _record(model, replace(file, optimizer=optimizer), path, target, notes, errors)
    write_json(target.parent / "convert.json", record)
    if errors is not None and not record["verified"]["ok"]:
        raise UserError(_failure(record))
    return Outcome(record, _text(model, file, record, errors))


def _from_keras(
    path: Path, config: str | None, standardize: str | None, root: str | None
) -> tuple[Model, KerasFile]:
    from ...keras_files import KerasFile, read_keras, read_weights
    from ...runs.model import ModelError, keras_model

    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; accepted: a Keras file, a checkpoint, or a run folder"
        )
    from ...keras_files.network_file import keras_config

    if config is None or keras_config(Path(config)) is not None:
        file = read_keras(path, config)
    else:
        from .summary import spec_of_config

        spec = spec_of_config(Path(config))
        file = KerasFile(
            path,
            spec,
            read_weights(path, spec),
            None,
            False,
            notes=(f"the network is that of {config}",),
        )
    model = keras_model(file.spec, file.weights, path, standardize, root, file.note)
    return replace(model, step=file.optimizer.iteration if file.optimizer else None), file


def _with_output(model: Model, file: KerasFile, output: str) -> tuple[Model, KerasFile]:
    """Return the network with another of its outputs, named as here or as in the file, as its answer."""
    from ...network import Network

    here = {original: name for name, original in file.renamed.items()}
    spec = file.spec.with_output(here.get(output, output))
    network = Network(spec)
    network.load_state_dict(model.network.state_dict())
    return replace(model, network=network.eval()), replace(file, spec=spec)


def _from_state_dict(
    path: Path, config: str, standardize: str | None, root: str | None
) -> tuple[Model, KerasFile]:
    """Read a torch state dict, or a safetensors file, of a network that `config` describes."""
    from ...keras_files import KerasFile
    from ...runs.model import keras_model
    from ...runs.state_dicts import named_weights
    from .summary import spec_of_config

    spec = spec_of_config(Path(config))
    weights = named_weights(path, spec)
    model = keras_model(spec, weights, path, standardize, root)
    return model, KerasFile(
        path, spec, weights, None, False, notes=(f"the network is that of {config}",)
    )


def _from_checkpoint(path: Path) -> tuple[Model, KerasFile]:
    from ...keras_files import KerasFile
    from ...runs.model import keras_note, load_checkpoint, open_model, run_checkpoint

    model = open_model(path)
    optimizer = None
    notes = []
    states = (
        load_checkpoint(run_checkpoint(path) if path.is_dir() else path).get("optimizer_states")
        or []
    )
    if len(states) == 1:
        from ...training.exchange import from_state_dict

        optimizer = from_state_dict(model.network, states[0], model.step or 0)
        if isinstance(optimizer, str):
            optimizer, notes = None, [f"optimiser state left out: {optimizer}"]
    notes.append(
        f"Keras itself does not scale the images ({model.standardizer.kind}); how, is in the file for this "
        "program, and in convert.json"
    )
    return model, KerasFile(
        path,
        model.spec,
        model.network.named_weights(),
        None,
        False,
        notes=tuple(notes),
        optimizer=optimizer,
        note=keras_note(model),
    )


def _write(model: Model, file: KerasFile, target: Path) -> tuple[list[str], OptimizerState | None]:
    """Write the target; return what must be said about it, and the optimiser state that it holds."""
    if target.suffix.lower() != ".ckpt":
        from ...keras_files import write_keras
        from ...runs.model import keras_note

        write_keras(
            target,
            file.spec,
            file.weights,
            file.optimizer,
            file.renamed,
            keras_note(model),
            file.frozen,
        )
        return list(file.notes), file.optimizer
    from ...runs.model import save_model

    notes = list(file.notes)
    states = []
    if any(array.dtype == np.float64 for array in file.weights.values()):
        notes.append("float64 weights are rounded to float32")
    if file.optimizer is not None:
        states, more = _torch_states(model, file.optimizer)
        notes += more
    save_model(model, target, states)
    return notes, file.optimizer if states else None


def _torch_states(
    model: Model, optimizer: OptimizerState
) -> tuple[list[dict[str, Any]], list[str]]:
    from ...training.exchange import to_state_dict

    state = to_state_dict(model.network, optimizer)
    return ([], [f"optimiser state left out: {state}"]) if isinstance(state, str) else ([state], [])


def _verified(
    model: Model, file: KerasFile, keras_file: Path, target: Path, seed: int
) -> LayerErrors:
    import tempfile

    from ...comparison.parity.converted import layer_errors
    from ...keras_files import write_keras

    number = max(1, min(_IMAGES, _VALUES // math.prod(file.spec.input_shape)))
    brightest = 255 if model.standardizer.kind == "none" else 1
    images = (
        np.random.default_rng(seed)
        .uniform(0, brightest, (number, *file.spec.input_shape))
        .astype(np.float32)
    )
    with tempfile.TemporaryDirectory() as folder:
        rewritten = write_keras(
            Path(folder) / "model.keras", file.spec, file.weights, None, file.renamed
        )
        return layer_errors(model.network, keras_file, rewritten, file.renamed, images)


def _record(
    model: Model,
    file: KerasFile,
    source: Path,
    target: Path,
    notes: list[str],
    errors: LayerErrors | None,
) -> dict[str, Any]:
    layers = [
        {
            "name": info.name,
            "name_in_file": file.renamed.get(info.name, info.name),
            "type": info.type,
            "output_shape": info.output_shape,
            "parameters": info.parameters,
        }
        | ({} if errors is None else {"largest_difference": errors.errors.get(info.name)})
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
        "parameters": model.spec.parameters,
        "layers": layers,
        "standardizer": model.standardizer.to_dict(),
        "optimizer": optimizer,
        "notes": notes,
        "verified": errors and _checked(errors),
        "files": [str(target), str(target.parent / "convert.json")],
    }


def _checked(errors: LayerErrors) -> dict[str, Any]:
    differing = [
        name
        for name, error in errors.errors.items()
        if not error <= _LIMIT * max(1, errors.largest[name])
    ]
    against = errors.file.name if errors.independent else "the file as rewritten here"
    return {
        "loaded_by": errors.loader,
        "images": errors.images,
        "against": against,
        "refusals": errors.refusals,
        "independent": errors.independent,
        "largest_difference": max(errors.errors.values()),
        "limit": _LIMIT,
        "differing": differing,
        "ok": not differing,
    }


def _text(model: Model, file: KerasFile, record: dict[str, Any], errors: LayerErrors | None) -> str:
    head = ["layer", "type", "output shape", "parameters"] + (
        [] if errors is None else ["largest difference"]
    )
    rows = [
        [
            layer["name"],
            layer["type"],
            " x ".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:,}",
        ]
        + ([] if errors is None else [_number(layer["largest_difference"])])
        for layer in record["layers"]
    ]
    rows.append(
        ["total", "", "", f"{record['parameters']:,}"]
        + ([] if errors is None else [_number(record["verified"]["largest_difference"])])
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
        kept = record["optimizer"]
        slots = ", ".join(kept["slots"]) or "none"
        steps = "an unknown number of" if kept["iteration"] is None else kept["iteration"]
        lines.append(f"optimiser: {kept['name']} after {steps} steps, slots: {slots}")
    lines += [f"note: {note}" for note in record["notes"]]
    if errors is not None:
        lines += _verdict(record["verified"])
    return "\n".join([*lines, f"written: {record['files'][0]}"])


def _failure(record: dict[str, Any]) -> str:
    checked = record["verified"]
    first = checked["differing"][0]
    error = next(
        layer["largest_difference"] for layer in record["layers"] if layer["name"] == first
    )
    return (
        f"{record['source']}: layer {first!r} differs from {checked['loaded_by']} by {error:.2e}, beyond "
        f"{checked['limit']:g}; all layers are in {record['files'][1]}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2e}"


def _verdict(checked: dict[str, Any]) -> list[str]:
    lines = [
        f"{loader} does not load this file: {words}"
        for loader, words in checked["refusals"].items()
    ]
    same = f"equal within {checked['limit']:g} on {checked['images']} random images"
    if checked["independent"]:
        return [*lines, f"{same}, beside {checked['loaded_by']} ({checked['against']})"]
    return [
        *lines,
        "not compared with this file in any Keras: what was compared is this program's own rewriting of "
        "it, so a mistake in reading would be in both (older files: pip install tf_keras). "
        f"{same.capitalize()}, beside {checked['loaded_by']} with the rewritten file",
    ]
