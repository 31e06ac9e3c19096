"""Training in both frameworks over several seeds, and a test whether they are equally accurate."""

from __future__ import annotations

import importlib.util
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UserError
from ...outcome import Outcome

if TYPE_CHECKING:
    from ...comparison.equivalence.runs import Plan


def compare(
    config: str,
    seeds: int = 12,
    epochs: int = 12,
    options: list[str] | None = None,
    out: str = "out/compare",
    margin: float = 0.1,
    alpha: float = 0.05,
) -> Outcome:
    """Train a configuration in both frameworks over several seeds, and test whether the accuracies
    are equivalent.

    Example: python -m lit_mnist compare --config configs/cnn.yaml --seeds 12 --epochs 12

    lit_mnist and Keras (extra `keras`) train with seeds 1 to N; Keras also trains with seeds N + 1
    to 2 N, as a control. The same command resumes a comparison that was interrupted: finished
    trainings are kept.

    Args:
        config: a configuration marked `recipe: keras`.
        seeds: trainings in each group; a verdict needs at least 2.
        epochs: epochs of each training.
        options: settings for both frameworks, such as data.dataset=digits.
        out: folder for records, run folders and the page; the same folder resumes a comparison.
        margin: difference in accuracy that counts as equivalent, in percentage points; choose it
            beforehand.
        alpha: significance level of the tests.
    """
    from ...comparison.equivalence.page import pictures, results, sentence, write_page
    from ...comparison.equivalence.runs import Plan, layers
    from ...comparison.equivalence.statistics import compare_means
    from ...files import write_bytes, write_json

    chosen = tuple(options or ())
    _check(config, seeds, epochs, chosen)
    compare_means([0.0], [0.0], margin, alpha)  # refuses a bad margin now, not after hours
    plan = Plan(Path(config), seeds, epochs, chosen, Path(out))
    folder = Path(out)
    records = _trained(plan)
    comparison = results(plan, records, layers(plan), margin, alpha)
    drawn = pictures(comparison)
    files = [write_bytes(folder / name, content) for name, content in drawn.items()]
    files += write_page(
        comparison, drawn, _command(config, seeds, epochs, chosen, margin, alpha), folder
    )
    comparison["files"] = [*map(str, files), str(folder / "compare.json")]
    write_json(folder / "compare.json", comparison)
    lines = [sentence(name, test) for name, test in comparison["tests"].items()]
    return Outcome(comparison, "\n".join([*lines, f"page: {folder / 'compare.html'}"]))


def _check(config: str, seeds: int, epochs: int, options: tuple[str, ...]) -> None:
    if not Path(config).is_file():
        raise UserError(
            f"--config {config}: no such file; accepted: a configuration such as configs/cnn.yaml"
        )
    for name, value in (("seeds", seeds), ("epochs", epochs)):
        if value < 1:
            raise UserError(f"--{name} {value}: cannot work; accepted: 1 or more")
    for option in options:
        key, equals, _ = option.partition("=")
        if not equals or "." not in key or key == "trainer.max_epochs":
            raise UserError(
                f"--options {option}: cannot work; accepted: key=value, such as "
                "data.dataset=digits; seeds "
                "and epochs have options of their own"
            )
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            "compare trains with Keras too, and TensorFlow is not installed; accepted: an "
            "installation with the extra keras"
        )
    from keras_baseline.recipe import read_config, read_recipe

    read_recipe(
        read_config(config, options), Path(config).stem
    )  # refuses what Keras cannot train, by key


def _trained(plan: Plan) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the records of all trainings; run those that are missing, with progress on standard
    error.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ...comparison.equivalence.runs import finished, train_missing

    records = finished(plan)
    total = len(plan.trainings)
    columns = (
        TextColumn("trainings"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=total, completed=len(records))
        durations = {key: float(record["wall_seconds"]) for key, record in records.items()}
        start = time.perf_counter()
        for side, seed, record in train_missing(plan, list(records)):
            records[side, seed] = record
            now = time.perf_counter()
            durations[side, seed] = now - start
            start = now
            remaining = _remaining(plan, durations)
            bar.update(task, completed=len(records), description=remaining)
            result = f"{side}, seed {seed}: {100 * record['test/acc']:.2f} %"
            if sys.stderr.isatty():
                bar.console.print(result)
            else:
                line = f"{len(records)}/{total}  {result}  {remaining}"
                print(line, file=sys.stderr, flush=True)
    return records


def _remaining(plan: Plan, durations: Mapping[tuple[str, int], float]) -> str:
    """Return the time that the missing trainings need, by the median of their side, else of all."""

    def expected(side: str) -> float:
        same_side = [seconds for (name, _), seconds in durations.items() if name == side]
        return float(np.median(same_side or list(durations.values())))

    seconds = sum(expected(side) for side, seed in plan.trainings if (side, seed) not in durations)
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def _command(
    config: str, seeds: int, epochs: int, options: tuple[str, ...], margin: float, alpha: float
) -> str:
    command = [
        "python",
        "-m",
        "lit_mnist",
        "compare",
        "--config",
        config,
        "--seeds",
        str(seeds),
        "--epochs",
        str(epochs),
        *(["--options", *options] if options else []),
        "--margin",
        f"{margin:g}",
        "--alpha",
        f"{alpha:g}",
    ]
    return shlex.join(command)
