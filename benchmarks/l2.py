"""``python -m benchmarks.l2 RUN... [--out FOLDER]``: the study of L2 from finished runs.

The runs are those of ``configs/studies/mlp_l2.yaml`` with the source's values of Lambda2 and
several seeds. Prints the table and draws ``l2.png``: accuracies against Lambda2 beside the
published ones, and the penalty's part of a batch's cost over training.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lit_mnist.errors import UserError
from lit_mnist.figures.canvas import TRAINING, VALIDATION, new_figure, save
from lit_mnist.files import read_yaml
from lit_mnist.pages import markdown_table
from lit_mnist.runs.folder import CONFIG, METRICS

from .measure import summary_of

# Lambda2: training and test accuracy after 800 epochs, as published
PUBLISHED = {
    0.01: (1.0, 0.9656),
    0.1: (0.999, 0.9714),
    0.2: (0.9946, 0.9728),
    0.4: (0.9858, 0.9693),
    0.8: (0.9705, 0.9588),
}
# Lambda2 of the source's summed cost for an l2 of 1 here: 2 x 500 images x 10 units
_PER_L2 = 10_000


@dataclass(frozen=True)
class L2Run:
    """A finished run: Lambda2, seed, accuracies, and the penalty's part of the cost by epoch."""

    lambda2: float
    seed: int
    training: float
    test: float
    penalty_share: list[float]


def main(argv: list[str] | None = None) -> int:
    """Print the table and draw the picture; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.l2", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("runs", nargs="+", type=Path, help="finished run folders")
    parser.add_argument("--out", type=Path, default=Path("docs/results/studies"))
    options = parser.parse_args(argv)
    try:
        runs = sorted(map(read_run, options.runs), key=lambda run: (run.lambda2, run.seed))
        save(figure(runs), options.out / "l2.png")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(runs))
    return 0


def read_run(folder: Path) -> L2Run:
    """Return the finished run in `folder`; raise UserError where there is none."""
    summary = summary_of(folder)
    layers = read_yaml(folder / CONFIG)["model"]["network"]["layers"]
    l2 = next((layer["l2"] for layer in layers if layer.get("l2")), None)
    if l2 is None:
        raise UserError(f"{folder}: no layer has l2; accepted: runs of mlp_l2.yaml")
    return L2Run(
        round(_PER_L2 * float(l2), 6),
        summary["seed"],
        summary["train/acc"],
        summary["test/acc"],
        _penalty_share(folder / METRICS),
    )


def _penalty_share(path: Path) -> list[float]:
    with open(path, newline="", encoding="utf-8") as file:
        values = [row["train/penalty_share"] for row in csv.DictReader(file)]
    return [float(value) for value in values if value]


def by_lambda2(runs: Sequence[L2Run]) -> dict[float, list[L2Run]]:
    """Return the runs of each Lambda2."""
    values = sorted({run.lambda2 for run in runs})
    return {value: [run for run in runs if run.lambda2 == value] for value in values}


def table(runs: Sequence[L2Run]) -> str:
    """Return a Markdown table of means over seeds, with each seed's test accuracy."""
    head = ("Lambda2", "n", "training", "test", "test, by seed", "published", "penalty's part")
    rows = [
        (
            f"{value:g}",
            str(len(group)),
            f"{statistics.mean(run.training for run in group):.4f}",
            f"{statistics.mean(run.test for run in group):.4f}",
            ", ".join(f"{run.seed}: {run.test:.4f}" for run in group),
            "{:.4f}, {:.4f}".format(*PUBLISHED[value]) if value in PUBLISHED else "–",
            f"{100 * statistics.mean(run.penalty_share[-1] for run in group):.0f} %",
        )
        for value, group in by_lambda2(runs).items()
    ]
    return markdown_table([head, *rows])


def figure(runs: Sequence[L2Run]) -> Figure:
    """Return both plots."""
    result = new_figure(11, 4)
    left, right = result.subplots(1, 2)
    _accuracies(left, runs)
    for value, group in by_lambda2(runs).items():
        epochs = range(1, len(group[0].penalty_share) + 1)
        right.plot(epochs, group[0].penalty_share, label=f"Lambda2 {value:g}")
    right.set(xlabel="epoch", ylabel="penalty's part of a batch's cost", ylim=(0, 1))
    right.grid(alpha=0.3)
    right.legend(fontsize=8)
    return result


def _accuracies(axes: Axes, runs: Sequence[L2Run]) -> None:
    groups = by_lambda2(runs)
    published = [value for value in groups if value in PUBLISHED]
    for index, (name, colour) in enumerate((("training", TRAINING), ("test", VALIDATION))):
        values = [[getattr(run, name) for run in group] for group in groups.values()]
        means = [statistics.mean(group) for group in values]
        axes.plot(list(groups), means, color=colour, label=f"{name}, mean")
        for value, group in zip(groups, values, strict=True):
            axes.plot([value] * len(group), group, "o", color=colour, markersize=3)
        theirs = [PUBLISHED[value][index] for value in published]
        axes.plot(published, theirs, "x--", color=colour, alpha=0.6, label=f"{name}, published")
    axes.set(xscale="log", xlabel="Lambda2", ylabel="accuracy")
    axes.set_xticks(list(groups), [f"{value:g}" for value in groups])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


if __name__ == "__main__":
    raise SystemExit(main())
