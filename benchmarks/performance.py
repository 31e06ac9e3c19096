"""``python -m benchmarks.performance [FOLDER] [--out FILE]``: one page of all benchmarks in FOLDER.

First the goals and the measured values, then every benchmark's own section.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_mnist.errors import UserError
from lit_mnist.files import write_text
from lit_mnist.pages import markdown_table

from .maximize import GOALS as MAXIMIZE_GOALS

ORDER = (
    "train",
    "plain",
    "startup",
    "scaling",
    "levers",
    "profile",
    "tensorboard",
    "inside",
    "explain",
    "maximize",
)
_HEAD = """# Performance: measured

`python -m benchmarks NAME` wrote each section, and `python -m benchmarks.performance` this page.
How speed is measured, what makes training fast and where goals are missed:
[../performance.md](../performance.md).
"""


@dataclass(frozen=True)
class Goal:
    """The value of row `case` under `key` of a benchmark's table: at least or at most `limit`."""

    name: str
    limit: float
    benchmark: str
    case: str
    key: str
    least: bool = False

    def value(self, tables: Mapping[str, list[Mapping[str, Any]]]) -> float | None:
        """Return the measured value, None where the benchmark was not run or left this case out."""
        rows = [
            row for row in tables.get(self.benchmark, []) if next(iter(row.values())) == self.case
        ]
        return (
            float(rows[0][self.key])
            if rows and isinstance(rows[0].get(self.key), int | float)
            else None
        )

    def met(self, value: float) -> bool:
        """Return whether `value` meets the goal."""
        return value >= self.limit if self.least else value <= self.limit


GOALS = (
    Goal("time of ours, float32, over Keras", 0.78, "train", "ours, float32", "over Keras"),
    Goal("time of ours, bfloat16, over Keras", 0.50, "train", "ours, bfloat16", "over Keras"),
    Goal(
        "time of ours over a bare loop, float32", 1.02, "train", "ours, float32", "over bare loop"
    ),
    Goal(
        "time of ours over a bare loop, bfloat16", 1.02, "train", "ours, bfloat16", "over bare loop"
    ),
    Goal(
        "share of the matrix-product peak, float32",
        0.65,
        "train",
        "ours, float32",
        "share of peak",
        True,
    ),
    Goal(
        "share of the matrix-product peak, bfloat16",
        0.45,
        "train",
        "ours, bfloat16",
        "share of peak",
        True,
    ),
    Goal(
        "`--help` over importing jsonargparse",
        1.5,
        "startup",
        "python -m lit_mnist --help",
        "ratio",
    ),
    Goal(
        "`fit` to its first step over importing torch, lightning",
        1.5,
        "startup",
        "fit to the first step",
        "ratio",
    ),
    Goal(
        "time with TensorBoard's view inside over without",
        1.02,
        "tensorboard",
        "with",
        "over without",
    ),
    Goal(
        "top images of 128 maps over a plain pass",
        1.5,
        "inside",
        "top_images, 128 maps of the last convolution",
        "over plain",
    ),
    *(
        Goal(f"{name} over the same by hand", 1.1, "explain", name, "over by hand")
        for name in (
            "saliency",
            "input x gradient",
            "guided backpropagation",
            "Grad-CAM",
            "integrated gradients",
        )
    ),
    *(
        Goal(f"maximisation: {name}, over our batch", limit, "maximize", name, "times ours", True)
        for name, limit in MAXIMIZE_GOALS.items()
    ),
)


def main(argv: list[str] | None = None) -> int:
    """Write the page; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.performance", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/performance.md"))
    options = parser.parse_args(argv)
    try:
        print(f"written: {write_text(options.out, page(options.folder))}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def page(folder: Path) -> str:
    """Return the page; raise UserError where `folder` holds no benchmark's result."""
    tables = {}
    sections = []
    for name in ORDER:
        try:
            tables[name] = json.loads((folder / f"{name}.json").read_text())["rows"]
            text = (folder / f"{name}.md").read_text()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{folder / name}: not readable ({error}); accepted: what a benchmark wrote"
            ) from error
        sections.append("#" + text.replace(f" --out {folder}", ""))
    if not tables:
        raise UserError(
            f"{folder}: no benchmark's result; accepted: a folder that `python -m benchmarks` "
            "wrote to"
        )
    return "\n".join([_HEAD, _against_goals(tables), *sections])


def _against_goals(tables: Mapping[str, list[Mapping[str, Any]]]) -> str:
    lines: list[tuple[str, ...]] = [("", "goal", "measured", "")]
    for goal in GOALS:
        value = goal.value(tables)
        if value is not None:
            limit = f"{'>=' if goal.least else '<='} {goal.limit:g}"
            lines.append((goal.name, limit, f"{value:.3g}", "met" if goal.met(value) else "missed"))
    return "\n".join(["## Against the goals", "", markdown_table(lines), ""])


if __name__ == "__main__":
    sys.exit(main())
