"""The program: finds the command, runs it and prints its outcome; imports no heavy library
itself.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from ..environment import keep_freed_memory
from ..errors import UserError
from ..files import expand_argument, to_json, with_configuration_paths
from .commands import COMMANDS, TRAINING

BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0, 1 for a failed check, 2 for bad input."""
    argv = [*map(expand_argument, sys.argv[1:] if argv is None else argv)]
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0 if argv else BAD_INPUT
    if argv[0] == "--version":
        from .. import __version__

        print(__version__)
        return 0
    keep_freed_memory()
    _print_any_character()
    try:
        return _run(argv[0], argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # nobody reads the output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _print_any_character() -> None:
    """Escape characters that the encoding of standard output lacks, so that no result is lost."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _run(command: str, argv: list[str]) -> int:
    if command not in TRAINING and command not in COMMANDS:
        close = difflib.get_close_matches(command, [*TRAINING, *COMMANDS], n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"unknown command {command!r}; {hint}see python -m lit_mnist --help")
    as_json = "--json" in argv
    argv = with_configuration_paths([argument for argument in argv if argument != "--json"])
    try:
        # what libraries print goes to standard error: standard output holds only the result
        output = sys.stdout if _asks_help(argv) else sys.stderr
        with contextlib.redirect_stdout(output):
            outcome = _training(command, argv) if command in TRAINING else _function(command, argv)
    except SystemExit as exit_:  # --help and --print_config
        return int(exit_.code or 0)
    if int(os.environ.get("LOCAL_RANK", 0)) == 0:
        print(to_json(outcome.data) if as_json else outcome.text)
    return outcome.code


def _asks_help(argv: list[str]) -> bool:
    return any(argument in ("-h", "--help") or argument.startswith("--print_") for argument in argv)


def _training(command: str, argv: list[str]) -> Any:
    from .training import run

    return run(command, argv)


def _function(command: str, argv: list[str]) -> Any:
    from .parser import call

    return call(
        command,
        getattr(importlib.import_module(f".commands.{command}", __package__), command),
        argv,
    )


def _help() -> str:
    width = max(map(len, (*TRAINING, *COMMANDS)))
    lines = ["usage: python -m lit_mnist COMMAND [OPTIONS]", "", "Train:"]
    lines += [f"  {name.ljust(width)}  {text}" for name, text in TRAINING.items()]
    lines += ["", "Look inside, compare, convert:"]
    lines += [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    lines += [
        "",
        "--out names the folder for a command's files, created if missing; default: out/COMMAND.",
        "Commands that write one file (convert, live, report) also accept the file's name.",
        "Every command accepts --json (one JSON object on standard output) and --help.",
        "First steps: python -m lit_mnist fit --config configs/cnn.yaml",
    ]
    return "\n".join(lines)
