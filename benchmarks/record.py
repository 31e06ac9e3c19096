"""``python -m benchmarks.record RUN... [--out docs/results]``: put finished runs on record.

For each run: its summary (without machine paths) and its training curves, and one table over all
recorded runs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from lit_mnist.errors import UserError
from lit_mnist.files import write_json, write_text
from lit_mnist.pages import markdown_table

from .measure import summary_of

# what the sources publish, as fractions; None where they publish nothing for this configuration
_HEAD = (
    "configuration",
    "n",
    "test",
    "best test epoch",
    "published",
    "epochs",
    "images/s",
    "weights",
)
PUBLISHED = {
    "cnn_source": 0.9944,
    "cnn_basic": 0.990,
    "cnn_wide": 0.9944,
    "cnn_addendum": 0.9945,
    "shallow": 0.9837,
    "dropout": 0.9929,
    "deconstruct": 0.991,
    "cats_dogs": 0.824,
    "cats_dogs_augmented": 0.829,
    "mlp_l2": 0.9728,
    "mlp_clusters": 0.978,
}
BEST_EPOCH = {
    "cnn_source",
    "cnn_wide",
    "cnn_addendum",
    "cats_dogs",
    "cats_dogs_augmented",
}  # their figure is the best epoch on the test set


def main(argv: list[str] | None = None) -> int:
    """Record the named runs and rewrite the table; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.record", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("runs", nargs="*", type=Path, help="run folders")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    options = parser.parse_args(argv)
    try:
        for run in options.runs:
            record(run, options.out / "training")
        write_text(options.out / "training.md", table(options.out / "training"))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {options.out / 'training.md'}")
    return 0


def record(run: Path, out: Path) -> None:
    """Copy a run's summary and curves to ``out/<configuration>-seed<n>.json|png``."""
    summary = summary_of(run)
    name = f"{run.parent.name}-seed{summary['seed']}"
    write_json(out / f"{name}.json", {key: value for key, value in summary.items() if key != "run"})
    if (run / "training_curves.png").is_file():
        shutil.copyfile(run / "training_curves.png", out / f"{name}.png")


def table(out: Path) -> str:
    """Return the Markdown page over all recorded runs."""
    by_config: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(out.glob("*.json")):
        by_config[path.stem.rpartition("-seed")[0]].append(json.loads(path.read_text()))
    rows = [_row(name, summaries) for name, summaries in sorted(by_config.items())]
    curves = [f"![{path.stem}](training/{path.name})" for path in sorted(out.glob("*.png"))]
    return "\n".join(
        [
            "# Full training runs",
            "",
            "Full runs of the shipped configurations on real MNIST, Fashion-MNIST or photographs "
            "([cats and dogs](cats_dogs.md)), by `python -m lit_mnist fit --config "
            "configs/NAME.yaml` (`configs/studies/NAME.yaml` for mlp_l2 and mlp_clusters). "
            "`training/` holds each run's summary with history, confusion matrix, versions and "
            "hardware; `python -m benchmarks.record RUN...` writes this page.",
            "",
            "`test` is the test accuracy with the weights of the best validation accuracy where a "
            "tenth of the training images was set aside, else of the last epoch. `best test epoch` "
            "is the best epoch on the test set, which chooses it: the sources that validate on the "
            "test set publish this value.",
            "",
            "For Fashion-MNIST the sources publish losses instead of accuracies; these and more "
            "about the dense networks: [studies](studies/studies.md). What was tried for a higher "
            "accuracy of cnn_best: [cnn_best](cnn_best.md).",
            "",
            markdown_table([_HEAD, *rows]),
            "",
            *_conditions(by_config),
            "",
            "## Curves",
            "",
            *curves,
            "",
        ]
    )


def _row(name: str, summaries: list[dict[str, Any]]) -> list[str]:
    accuracies = [summary["test/acc"] for summary in summaries]
    spread = f" (sd {100 * statistics.stdev(accuracies):.2f})" if len(accuracies) > 1 else ""
    best = [summary["val/acc_best"] for summary in summaries if summary["validated_on"] == "test"]
    published = PUBLISHED.get(name)
    return [
        name,
        str(len(summaries)),
        f"{100 * statistics.mean(accuracies):.2f} %{spread}",
        f"{100 * statistics.mean(best):.2f} %" if best else "–",
        f"{100 * published:.2f} %{' (best test epoch)' if name in BEST_EPOCH else ''}"
        if published
        else "–",
        "/".join(sorted({str(summary["epochs"]) for summary in summaries})),
        f"{statistics.median(summary['images_per_second'] for summary in summaries):,.0f}",
        summaries[0]["weights"].split(" (")[0],
    ]


def _conditions(by_config: dict[str, list[dict[str, Any]]]) -> list[str]:
    setups = {
        (
            s["versions"]["torch"],
            s["versions"]["lightning"],
            s["versions"]["python"],
            s["hardware"]["cpu"],
            s["hardware"]["cores"],
            s["hardware"].get("gpu"),
        )
        for summaries in by_config.values()
        for s in summaries
    }
    return [
        f"Conditions: torch {torch}, lightning {lightning}, Python {python}, {gpu or cpu}, "
        f"{cores} cores. Speeds were taken beside other work on the same machine: they are no "
        "benchmark."
        for torch, lightning, python, cpu, cores, gpu in sorted(setups, key=str)
    ]


if __name__ == "__main__":
    sys.exit(main())
