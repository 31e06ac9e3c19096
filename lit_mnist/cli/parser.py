"""Parsing of a command's options by the signature of its function, with shorter forms than
jsonargparse's.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from ..errors import UserError
from .messages import explain

# a clause such as ", or the embedded digits (--data.fallback digits)"
_TRAINING_OPTION = re.compile(r"(?:,(?: or)?)?[^,;:(]*\(--data\.(?!root\b)[^)]*\)")
_OLD_NAMES = {"map": "maps"}
# the help of options that mean the same in every command whose docstring does not describe them
_SHARED_HELP = {
    "ckpt_path": "a run folder, a checkpoint or a Keras file.",
    "batch_size": "images per batch; limits memory.",
    "svg": "also write every picture as SVG.",
    "data_root": "folder of the data sets (default: the run's, else $LIT_MNIST_DATA, else the "
    "cache folder).",
    "output": "name of the output that is the network's answer, where it has several.",
    "dataset": "data set to use instead of the network's own, such as folder (with --data_root).",
    "scaling": "how the images of a Keras file were scaled (none, unit, ...), since the file does "
    "not say it.",
}
_NAMES_OF_FIT = {
    "data.root": "data_root",
    "data.dataset": "dataset",
    "data.standardize": "scaling",
}


def call(command: str, function: Callable[..., Any], argv: list[str]) -> Any:
    """Call `function` with the options in `argv`; raise UserError for options that it does not
    accept.
    """
    description = (function.__doc__ or "").split("Args:")[0].strip()
    parser = ArgumentParser(
        prog=f"python -m lit_mnist {command}",
        description=description,
        epilog=_epilog(function),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_function_arguments(function, as_group=False)
    for action in parser._actions:
        action.help = action.help or _SHARED_HELP.get(action.dest)
    try:
        settings = parser.parse_args(
            _folded(function, _spelled_out(function, _renamed(function, argv)))
        )
    except ArgumentError as error:
        raise UserError(explain(str(error), [action.dest for action in parser._actions])) from error
    try:
        return function(**settings.as_dict())
    except UserError as error:
        raise UserError(without_training_options(str(error))) from error


def without_training_options(message: str) -> str:
    """Return a message without advice that only the training commands accept, such as
    ``--data.mirror``.
    """
    return _TRAINING_OPTION.sub("", message).replace(":, ", ": ")


def _epilog(function: Callable) -> str | None:
    """Name the options that may also be written as `fit` has them."""
    names = [f"--{other} for --{name}" for other, name in _other_names(function, _NAMES_OF_FIT)]
    return f"The names that fit has are accepted too: {', '.join(names)}." if names else None


def _other_names(function: Callable, names: dict[str, str]) -> list[tuple[str, str]]:
    """Return the pairs of `names` whose second one is a parameter of `function`."""
    parameters = inspect.signature(function).parameters
    return [(other, name) for other, name in names.items() if name in parameters]


def _renamed(function: Callable, argv: list[str]) -> list[str]:
    """Return `argv` with option names replaced: the older ``--map``, and those that fit has."""
    pairs = _other_names(function, _OLD_NAMES | _NAMES_OF_FIT)
    names = {f"--{other}": f"--{name}" for other, name in pairs}
    renamed = []
    for argument in argv:
        option, equals, value = argument.partition("=")
        if option == "--map" and option in names:
            print(f"note: {option} is now {names[option]}", file=sys.stderr)
        renamed.append(names.get(option, option) + equals + value)
    return renamed


def _spelled_out(function: Callable, argv: list[str]) -> list[str]:
    """Return ``convert a b --verify`` as ``convert --source=a --out=b --verify=true``."""
    parameters = inspect.signature(function).parameters.values()
    switches = {f"--{each.name}" for each in parameters if isinstance(each.default, bool)}
    arguments = [
        f"{argument}=true"
        if argument in switches and following not in ("true", "false")
        else argument
        for argument, following in zip(argv, [*argv, None][1:], strict=True)
    ]
    required = [each for each in parameters if each.default is each.empty]
    for number, parameter in enumerate(required):
        if number == len(arguments) or arguments[number].startswith("-"):
            break
        arguments[number] = f"--{parameter.name}={arguments[number]}"
    return arguments


def _folded(function: Callable, argv: list[str]) -> list[str]:
    """Return ``--images a b --images c`` as ``--images=["a", "b", "c"]``, the form of
    jsonargparse.
    """
    parameters = inspect.signature(function).parameters.values()
    kinds = {
        f"--{each.name}": str(each.annotation)
        for each in parameters
        if "list[" in str(each.annotation)
    }
    folded = []
    lists = {}
    current = None
    for argument in argv:
        option, equals, value = argument.partition("=")
        if argument.startswith("--"):
            current = lists.setdefault(option, []) if option in kinds else None
            if current is not None:
                current.extend([value] if equals else [])
                continue
        (folded if current is None or argument == "-h" else current).append(argument)
    for option, values in lists.items():
        if not values:
            raise UserError(f"{option}: has no value; accepted: one value or more")
        quoted = json.dumps if "list[str]" in kinds[option] else str
        is_list = len(values) == 1 and values[0].startswith("[")
        text = values[0] if is_list else f"[{', '.join(map(quoted, values))}]"
        folded.append(f"{option}={text}")
    return folded
