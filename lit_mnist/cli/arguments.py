"""Arguments of the training commands: configuration files before flags, and changes of single
layers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import locale
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Optional

from jsonargparse import ArgumentParser

from ..errors import UserError, nearest
from ..files import expand, parse_yaml, read_config, read_yaml, with_base
from ..runs.pretrained import resolve
from ..spec.overrides import LAYERS, LayerValue, override_layers, parse_layer_key
from .messages import explain

_CONFIG = ("-c", "--config")
_SECTIONS = {"model": "network", "data": "dataset", "trainer": "max_epochs"}
_FLAGS_ONLY = {"help", "config", "print_config"}  # no keys of a file
_SHORT_PRECISIONS = (64, 32, 16, "64", "32", "16", "bf16")  # Lightning's other names of them


def read_early(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options that others depend on: ckpt_path, name, runs_dir, config, and asks (for
    help).
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--ckpt_path")
    parser.add_argument("--name")
    parser.add_argument("--runs_dir", default="runs")
    parser.add_argument(*_CONFIG, action="append", default=[])
    parser.add_argument("-h", "--help", "--print_config", dest="asks", nargs="?", const=True)
    try:
        options, _ = parser.parse_known_args(argv)
    except (argparse.ArgumentError, SystemExit) as error:
        raise UserError(explain(str(error), ["ckpt_path", "name", "runs_dir", "config"])) from error
    for config in options.config:
        if not Path(config).is_file():
            raise UserError(
                f"--config {config}: no such file; accepted: a YAML file such as configs/cnn.yaml"
            )
    return options


def configs_first(argv: Sequence[str]) -> list[str]:
    """Return `argv` with its configuration files first, so that flags win over files."""
    configs = []
    flags = []
    arguments = iter(argv)
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option in _CONFIG:
            configs += ["--config", *([value] if equals else itertools.islice(arguments, 1))]
        else:
            flags.append(argument)
    return [*configs, *flags]


def configs_as_read(argv: Sequence[str]) -> list[str]:
    """Return `argv` with the content of configuration files that jsonargparse would misread.

    It reads them in the locale's encoding, and does not know ``base``. The content is ASCII.
    """
    return [
        _content(argument) if previous in _CONFIG else argument
        for previous, argument in zip(["", *argv], argv, strict=False)
    ]


def _content(path: str) -> str:
    import yaml

    content = read_yaml(path)
    based = isinstance(content, Mapping) and "base" in content
    utf8 = locale.getpreferredencoding(False).lower().replace("-", "") == "utf8"
    if not based and (utf8 or Path(path).read_bytes().isascii()):
        return path
    return yaml.safe_dump(with_base(content, path), allow_unicode=False)


def apply_layer_flags(
    argv: Sequence[str], configs: Sequence[str], base: Mapping[str, Any]
) -> list[str]:
    """Return `argv` with ``--model.network.layers.LAYER.KEY VALUE`` replaced by the changed
    network.

    The network is that of the last of `configs` that has one, else that of `base`. Raises
    UserError.
    """
    others = []
    changes = []
    arguments = iter(argv)
    for argument in arguments:
        if not argument.startswith(f"--{LAYERS}"):
            others.append(argument)
            continue
        option, equals, text = argument.removeprefix("--").partition("=")
        value = text if equals else next(arguments, None)
        if value is None:
            raise UserError(f"--{option}: has no value; accepted: --{option} VALUE")
        changes.append(LayerValue(*parse_layer_key(option), parse_yaml(value, f"--{option}")))
    if not changes:
        return others
    network, weights = resolve(_network(configs, base, changes[0]))
    network = override_layers(network, changes)
    initial = [] if weights is None else [f"--model.initial_weights={weights}"]
    return [*initial, *others, f"--model.network={json.dumps(network)}"]


def _network(configs: Sequence[str], base: Mapping[str, Any], change: LayerValue) -> Any:
    for content in [*map(read_config, reversed(configs)), base]:
        model = content.get("model") if isinstance(content, Mapping) else None
        if isinstance(model, Mapping) and "network" in model:
            return model["network"]
    raise UserError(
        f"--{LAYERS}{change.layer}.{change.key}: there is no network to change; accepted: with "
        "--config, a YAML file that describes model.network"
    )


def check_keys(configs: Sequence[str], known: set[str]) -> None:
    """Raise UserError for an unknown key of a YAML file, before the parser misses a required
    one.
    """
    for path in configs:
        content = read_config(path)
        if not isinstance(content, dict):
            raise UserError(
                f"--config {path}: holds {content!r}; accepted: keys such as model and data"
            )
        for key, value in content.items():
            if key not in known:
                raise UserError(
                    f"--config {path}: unknown key {key!r}; "
                    f"{nearest(key, sorted(known - _FLAGS_ONLY | {'base'}))}"
                )
            if key in _SECTIONS and not (isinstance(value, dict) or _may_be(key, value)):
                raise UserError(
                    f"--config {path}: {key} = {'null' if value is None else repr(value)} cannot "
                    f"work; accepted: keys and values, such as {_SECTIONS[key]}"
                )


def _may_be(section: str, value: object) -> bool:
    """Whether a section may be no mapping: empty, but for the model, or a file that holds it."""
    if value is None:
        return section != "model"
    return isinstance(value, str) and expand(value).is_file()


def accept_precisions(parser: ArgumentParser) -> None:
    """Let `trainer.precision` accept ``auto``, which Lightning's Trainer does not know, and the
    precisions in which weights are float32 or float64.
    """
    from ..training.devices import PRECISIONS

    for action in parser._actions:
        if action.dest == "trainer.precision":
            typed: Any = action  # its class is private to jsonargparse
            typed._typehint = Optional[Literal["auto", *PRECISIONS, *_SHORT_PRECISIONS]]  # noqa: UP045  (no | for Literal)


def stem(configs: Sequence[str]) -> str | None:
    """Return the name of the last configuration file; the config.yaml of a run holds its name
    inside.
    """
    name = Path(configs[-1]).stem if configs else None
    return None if name == "config" else name
