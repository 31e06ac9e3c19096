"""The source of an export: an opened model, and the content of its Keras file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UserError
from ..keras_files import KerasFile, read_keras, read_weights
from ..keras_files.content import is_keras
from ..keras_files.network_file import keras_config
from ..network import Network
from ..runs.configured import spec_of_config
from ..runs.keras_models import keras_metadata, keras_model
from ..runs.model import (
    KERAS_SUFFIXES,
    Model,
    ModelError,
    load_checkpoint,
    open_model,
)
from ..runs.state_dicts import named_weights


@dataclass(frozen=True)
class Source:
    """`model` opened from `path`, and `file`, the content that its Keras file has or would have.

    `kind` says what lies at `path`: ``keras`` (a Keras file), ``state_dict`` (weights without a
    description) or ``checkpoint`` (a checkpoint or a run).
    """

    path: Path
    kind: str
    model: Model
    file: KerasFile


def kind_of(path: Path, config: str | None = None) -> str:
    """Return the kind of the source at `path`, by its content; a `config` describes weights
    alone.
    """
    named = path.suffix.lower() in KERAS_SUFFIXES and not path.is_dir()
    if named or (path.is_file() and is_keras(path)):
        return "keras"
    return "state_dict" if config is not None and path.is_file() else "checkpoint"


def open_source(
    path: Path, config: str | None = None, standardize: str | None = None, root: str | None = None
) -> Source:
    """Open a Keras file, a state dict, a checkpoint or a run; raise UserError for anything else.

    `config` describes the network of weights alone; `standardize` and `root` are as in
    `open_model`.
    """
    kind = kind_of(path, config)
    if kind == "keras":
        return Source(path, kind, *from_keras(path, config, standardize, root))
    if kind == "state_dict":
        return Source(path, kind, *_from_state_dict(path, str(config), standardize, root))
    if config or standardize:
        raise UserError(
            f"--config and --standardize are for Keras files; {path} carries its own network and "
            "scaling"
        )
    return Source(path, kind, *_from_checkpoint(path))


def with_output(source: Source, output: str) -> Source:
    """Return the source with `output` as its answer; outputs have their names here or in the
    file.
    """
    names = {original: name for name, original in source.file.renamed.items()}
    spec = source.file.spec.with_output(names.get(output, output))
    network = Network(spec)
    network.load_state_dict(source.model.network.state_dict())
    return replace(
        source,
        model=replace(source.model, network=network.eval()),
        file=replace(source.file, spec=spec),
    )


def from_keras(
    path: Path, config: str | None, standardize: str | None, root: str | None
) -> tuple[Model, KerasFile]:
    """Open a Keras file; `config` describes the network where the file holds only weights."""
    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; accepted: a Keras file, a checkpoint, or a run folder"
        )
    if config is None or keras_config(Path(config)) is not None:
        file = read_keras(path, config)
    else:
        spec = spec_of_config(Path(config))
        weights = read_weights(path, spec)
        file = KerasFile(path, spec, weights, None, False, notes=(_network_of(config),))
    model = keras_model(file.spec, file.weights, path, standardize, root, file.metadata)
    return replace(model, step=file.optimizer.iteration if file.optimizer else None), file


def _network_of(config: str) -> str:
    return f"the network is that of {config}"


def _from_state_dict(
    path: Path, config: str, standardize: str | None, root: str | None
) -> tuple[Model, KerasFile]:
    """Read a state dict or a safetensors file of the network that `config` describes."""
    spec = spec_of_config(Path(config))
    weights = named_weights(path, spec)
    model = keras_model(spec, weights, path, standardize, root)
    return model, KerasFile(path, spec, weights, None, False, notes=(_network_of(config),))


def _from_checkpoint(path: Path) -> tuple[Model, KerasFile]:
    model = open_model(path)
    optimizer = None
    notes: list[str] = []
    checkpoint = load_checkpoint(model.path)
    states = checkpoint.get("optimizer_states") or []
    if len(states) == 1:
        from ..training.exchange import from_state_dict

        state = from_state_dict(model.network, states[0], model.step or 0)
        if isinstance(state, str):
            notes.append(f"optimiser state left out: {state}")
        else:
            optimizer = state
    return model, KerasFile(
        path,
        model.spec,
        model.network.named_weights(),
        None,
        False,
        notes=tuple(notes),
        optimizer=optimizer,
        metadata=keras_metadata(model),
    )
