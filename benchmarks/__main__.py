"""``python -m benchmarks NAME [--rounds N] [--quick] [--device cuda] [--out FOLDER]``.

A benchmark is a module beside this one with ``run(rounds: int, quick: bool, device: str) ->
Report``; its docstring's first line says what it measures. `quick` is a smoke test: few images,
numbers that mean nothing. Benchmarks that need a trained run have options of their own:
``python -m benchmarks live RUN``, ``python -m benchmarks waiting RUN``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from lit_mnist.environment import keep_freed_memory
from lit_mnist.errors import UserError

from .measure import conditions, markdown, write

_OWN_OPTIONS = (
    "held_out",
    "l2",
    "live",
    "no_digit",
    "own_digits",
    "performance",
    "record",
    "waiting",
)
_NONE = ("digit_pictures", "measure", *_OWN_OPTIONS)
NAMES = sorted(
    path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem not in _NONE
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named benchmark, print its table, write JSON and Markdown; return the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in _OWN_OPTIONS:
        return importlib.import_module(f".{argv[0]}", __package__).main(argv[1:])
    options = _options(argv)
    command = " ".join(["python -m benchmarks", *argv])
    keep_freed_memory()
    environment = conditions()  # before the run, so that the load is not our own
    try:
        module = importlib.import_module(f".{options.name}", __package__)
        report = module.run(
            rounds=1 if options.quick else options.rounds,
            quick=options.quick,
            device=options.device,
        )
        paths = write(options.name, report, environment, command, Path(options.out))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(markdown(report, environment, command))
    print("written: " + ", ".join(map(str, paths)), file=sys.stderr)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("name", choices=NAMES)
    parser.add_argument(
        "--rounds", type=_positive, default=7, help="rounds that count (default: 7)"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test: one round, few images")
    parser.add_argument(
        "--device", default="cpu", help="cpu or cuda, where the benchmark can use it (default: cpu)"
    )
    parser.add_argument("--out", default="out/benchmarks", help="folder for JSON and Markdown")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} cannot work; accepted: a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
