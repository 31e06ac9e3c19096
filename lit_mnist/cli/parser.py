"""A command's parser, made from its function's signature; forms that people type become jsonargparse's."""

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
_OTHER_NAMES = {
    "map": "maps",
    "data.root": "data_root",
    "data.dataset": "dataset",
    "data.standardize": "scaling",
}


def call(command: str, function: Callable[..., Any], argv: list[str]) -> Any:
    """Call `function` with the options in `argv`; raise UserError with one clear message for those it does not take."""
    description = (function.__doc__ or "").split("Args:")[0].strip()
    parser = ArgumentParser(
        prog=f"python -m lit_mnist {command}",
        description=description,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_function_arguments(function, as_group=False)
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
    """Return a message without the ways out that only the training commands have, such as ``--data.mirror``."""
    return _TRAINING_OPTION.sub("", message).replace(":, ", ": ")


def _renamed(function: Callable, argv: list[str]) -> list[str]:
    """Return `argv` with other names of options replaced: the older ``--map``, and ``--data.root`` as fit has it."""
    parameters = inspect.signature(function).parameters
    names = {f"--{old}": f"--{new}" for old, new in _OTHER_NAMES.items() if new in parameters}
    renamed = []
    for word in argv:
        option, equals, value = word.partition("=")
        if option == "--map" and option in names:
            print(f"note: {option} is now {names[option]}", file=sys.stderr)
        renamed.append(names.get(option, option) + equals + value)
    return renamed


def _spelled_out(function: Callable, argv: list[str]) -> list[str]:
    """Return ``convert a b --verify`` as ``convert --source=a --out=b --verify=true``."""
    parameters = inspect.signature(function).parameters.values()
    switches = {f"--{each.name}" for each in parameters if isinstance(each.default, bool)}
    spelled = [
        f"{this}=true" if this in switches and following not in ("true", "false") else this
        for this, following in zip(argv, [*argv, None][1:], strict=True)
    ]
    for number, each in enumerate(each for each in parameters if each.default is each.empty):
        if number == len(spelled) or spelled[number].startswith("-"):
            break
        spelled[number] = f"--{each.name}={spelled[number]}"
    return spelled


def _folded(function: Callable, argv: list[str]) -> list[str]:
    """Return ``--images a b --images c`` as ``--images=["a", "b", "c"]``, the form that jsonargparse takes."""
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
            raise UserError(f"{option}: names nothing; accepted: one value or more")
        whole = len(values) == 1 and values[0].startswith("[")
        quoted = json.dumps if "list[str]" in kinds[option] else str
        folded.append(
            f"{option}={values[0] if whole else '[' + ', '.join(map(quoted, values)) + ']'}"
        )
    return folded
