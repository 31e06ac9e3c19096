"""Networks and weights to start from: files, runs, checkpoints, and Keras' applications."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UserError, nearest
from ..files import expand
from ..spec import NetworkSpec, SpecError
from ..spec.applications import APPLICATIONS, Application
from ..spec.building import built_on, check_keys, is_built_on
from ..spec.weights import Weights

KINDS = (
    "a Keras file (.keras, .h5), a run folder, a checkpoint (.ckpt), a .safetensors file, or one "
    f"of {', '.join(APPLICATIONS)}"
)


class PretrainedError(UserError):
    """A pretrained network or its weights that cannot be used."""


def resolve(network: Any, initial_weights: str | None = None) -> tuple[Any, str | None]:
    """Return a plain description without ``from``, and where its initial weights come from.

    ``{from: FILE, cut: LAYER, then: [...]}`` becomes the whole network. The file is the source of
    weights unless `initial_weights` names another. Raises UserError naming file or layer.
    """
    if not is_built_on(network):
        return network, initial_weights
    check_keys(network)
    source = str(network["from"])
    spec = built_on(source_spec(source), network)
    return spec.to_dict(), initial_weights or source


def source_spec(source: str) -> NetworkSpec:
    """Return the description of a pretrained network; raise UserError."""
    if source in APPLICATIONS:
        return APPLICATIONS[source].spec
    return _opened(source)[0]


def source_weights(source: str | Path) -> Weights:
    """Return a source's weights in Keras' names and layout, downloading published ones.

    Raises UserError.
    """
    if str(source) in APPLICATIONS:
        return _published(APPLICATIONS[str(source)])
    return _opened(str(source))[1]


def _opened(source: str) -> tuple[NetworkSpec, Weights]:
    path = expand(source)
    if not path.exists():
        hint = "" if path.suffix else nearest(source, APPLICATIONS).partition("Accepted:")[0]
        raise PretrainedError(f"{source}: no such file; {hint}accepted: {KINDS}")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    from .model import KERAS_SUFFIXES, open_model

    if path.is_file() and path.suffix != ".ckpt":
        from ..keras_files import read_keras
        from ..keras_files.content import is_keras

        if path.suffix in KERAS_SUFFIXES or is_keras(path):
            file = read_keras(path, headless=True)
            return file.spec, dict(file.weights)
    model = open_model(path, root=None)
    return model.spec, model.network.named_weights()


def _safetensors(path: Path) -> tuple[NetworkSpec, Weights]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as content:
            weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            described = (content.metadata() or {}).get("spec")
    except (OSError, SafetensorError, ValueError) as error:
        raise PretrainedError(f"{path}: not a safetensors file ({error})") from error
    if described is None:
        raise PretrainedError(
            f"{path}: does not say which network it belongs to; accepted: "
            "initial_weights.safetensors of a run"
        )
    try:
        return NetworkSpec.from_dict(json.loads(described)), weights
    except (ValueError, SpecError) as error:
        raise PretrainedError(f"{path}: its network cannot be read ({error})") from error


def _published(application: Application) -> Weights:
    from ..data.download import Digest
    from ..data.pretrained import Published, obtain
    from ..keras_files import read_weights

    file = Published(application.address, Digest("md5", application.md5), "keras")
    return read_weights(obtain([file])[1], application.spec)
