"""``python -m lit_mnist COMMAND``: finds the command, runs it, prints its outcome; imports nothing heavy itself."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .commands import COMMANDS, TRAINING
from .errors import UserError
from .files import to_json
from .memory import keep_freed_memory

BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0, 1 where a check failed, 2 for bad input (message on standard error)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0 if argv else BAD_INPUT
    if argv[0] == "--version":
        from . import __version__

        print(__version__)
        return 0
    keep_freed_memory()
    try:
        return _run(argv[0], argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(command: str, argv: list[str]) -> int:
    if command not in TRAINING and command not in COMMANDS:
        close = difflib.get_close_matches(command, [*TRAINING, *COMMANDS], n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"unknown command {command!r}; {hint}see python -m lit_mnist --help")
    as_json = "--json" in argv
    argv = [argument for argument in argv if argument != "--json"]
    try:
        # whatever libraries print goes to standard error: standard output holds the result alone
        with contextlib.nullcontext() if _asks_help(argv) else contextlib.redirect_stdout(sys.stderr):
            outcome = _training(command, argv) if command in TRAINING else _function(command, argv)
    except SystemExit as exit_:  # --help and --print_config
        return int(exit_.code or 0)
    if int(os.environ.get("LOCAL_RANK", 0)) == 0:
        print(to_json(outcome.data) if as_json else outcome.text)
    return outcome.code


def _asks_help(argv: list[str]) -> bool:
    return any(argument in ("-h", "--help") or argument.startswith("--print_") for argument in argv)


def _training(command: str, argv: list[str]) -> Any:
    from .cli import run

    return run(command, argv)


def _function(command: str, argv: list[str]) -> Any:
    from jsonargparse import ArgumentError, ArgumentParser

    from .parse_errors import explain

    function: Callable = getattr(importlib.import_module(f".commands.{command}", __package__), command)
    description = function.__doc__.split("Args:")[0].strip()
    parser = ArgumentParser(prog=f"python -m lit_mnist {command}", description=description, exit_on_error=False,
                            allow_abbrev=False)
    parser.add_function_arguments(function, as_group=False)
    try:
        settings = parser.parse_args(_folded(function, _spelled_out(function, argv)))
    except ArgumentError as error:
        raise UserError(explain(str(error), [action.dest for action in parser._actions])) from error
    return function(**settings.as_dict())


def _spelled_out(function: Callable, argv: list[str]) -> list[str]:
    """Return ``convert a b --verify`` as ``convert --source=a --out=b --verify=true``."""
    parameters = inspect.signature(function).parameters.values()
    switches = {f"--{each.name}" for each in parameters if isinstance(each.default, bool)}
    spelled = [f"{this}=true" if this in switches and following not in ("true", "false") else this
               for this, following in zip(argv, [*argv, None][1:], strict=True)]
    for number, each in enumerate(each for each in parameters if each.default is each.empty):
        if number == len(spelled) or spelled[number].startswith("-"):
            break
        spelled[number] = f"--{each.name}={spelled[number]}"
    return spelled


def _folded(function: Callable, argv: list[str]) -> list[str]:
    """Return ``--images a b --images c`` as ``--images=["a", "b", "c"]``, the form that jsonargparse takes."""
    parameters = inspect.signature(function).parameters.values()
    kinds = {f"--{each.name}": str(each.annotation) for each in parameters if "list[" in str(each.annotation)}
    folded, lists, current = [], {}, None
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
        folded.append(f"{option}={values[0] if whole else '[' + ', '.join(map(quoted, values)) + ']'}")
    return folded


def _help() -> str:
    width = max(map(len, (*TRAINING, *COMMANDS)))
    lines = ["usage: python -m lit_mnist COMMAND [OPTIONS]", "", "Train:"]
    lines += [f"  {name.ljust(width)}  {text}" for name, text in TRAINING.items()]
    lines += ["", "Look inside, compare, convert:"]
    lines += [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    lines += ["", "Every command takes --json (one JSON object on standard output) and --help.",
              "First steps: python -m lit_mnist fit --config configs/cnn.yaml"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
