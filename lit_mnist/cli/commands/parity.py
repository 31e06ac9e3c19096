"""Comparison of both frameworks: layers, loss, gradients, learning rates, training steps."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import UserError
from ...outcome import Outcome

if TYPE_CHECKING:
    from keras_baseline.recipe import Recipe

    from ...comparison.parity.checks import Check
    from ...comparison.parity.probes import Probe
    from ...data import Dataset

_STEPS = 100
_NOT_TRAINED = (
    "Keras does not train this configuration (recipe: torch); only structure, outputs and round "
    "trips of weights are compared, not loss, gradients, learning rates and steps"
)


def parity(
    config: str,
    dtype: Literal["float64", "float32"] = "float64",
    steps: int | None = None,
    seed: int | None = None,
    options: list[str] | None = None,
    floor: bool = False,
    out: str = "out/parity",
) -> Outcome:
    """Give both frameworks the same weights and images, and compare all that they compute.

    Example: python -m lit_mnist parity --config configs/cnn.yaml --dtype float64 --steps 100

    In float64, both frameworks run freely. In float32, every step starts from Keras' state, since
    rounding drives free runs apart. Configurations that Keras cannot train (`recipe: torch`) are
    compared without training. The exit code is 1 if a check fails. Needs the extra `keras`.

    Args:
        config: a configuration, such as configs/cnn.yaml.
        dtype: precision of both frameworks.
        steps: number of training steps to compare (default: 100).
        seed: seed of the initial weights and the order of images (default: the configuration's).
        options: settings for both frameworks, such as data.dataset=digits.
        floor: also measure how far Keras is from itself with another number of threads and, in
            float32, how far both are from float64 (up to four times the work).
        out: folder for parity.json (every check) and parity.md.
    """
    _check(steps, seed)
    recipe, probe, dataset, training = _subject(
        config, _STEPS if steps is None else steps, seed, options
    )
    if not training and (steps is not None or floor):
        raise UserError(
            f"--{'floor' if floor else 'steps'} with {config}: {_NOT_TRAINED}; accepted: a "
            "configuration marked recipe: keras, or neither --steps nor --floor"
        )
    notes = [f"NOTE: {dataset.note}"] * bool(dataset.note) + [_NOT_TRAINED] * (not training)
    for note in notes:
        print(note, file=sys.stderr, flush=True)
    subject = (
        f"{config}, {dtype}, {len(probe.batches)} steps of {recipe.batch_size} images"
        if training
        else f"{config}, {dtype}"
    )
    command = _command(config, dtype, steps, seed, options, floor, out)
    checks = list(_shown(_checks(recipe, probe, dtype, training), len(probe.batches)))
    about = [f"{subject}; {dataset.name}, seed {recipe.seed}", *notes]
    return _outcome(
        checks, _floor(recipe, probe, dtype) if floor else None, about, command, Path(out)
    )


def _check(steps: int | None, seed: int | None) -> None:
    if steps is not None and steps < 1:
        raise UserError(f"--steps {steps}: cannot work; accepted: 1 or more")
    if seed is not None and seed < 0:
        raise UserError(f"--seed {seed}: cannot work; accepted: 0 or more")
    from keras_baseline.backend import load_keras

    load_keras()  # refuses an installation without TensorFlow


def _subject(
    config: str, steps: int, seed: int | None, options: list[str] | None
) -> tuple[Recipe, Probe, Dataset, bool]:
    """Return the recipe, images and batches, the data set, and whether Keras can train the
    configuration.
    """
    from keras_baseline.recipe import read_config

    from ...comparison.parity.probes import comparable_recipe, probe_of
    from ...data import prepare

    for option in options or ():
        if "." not in option.partition("=")[0] or "=" not in option:
            raise UserError(
                f"--options {option}: cannot work; accepted: key=value, such as data.dataset=digits"
            )
    content = read_config(
        config, [*(options or ()), *([] if seed is None else [f"seed_everything={seed}"])]
    )
    recipe = comparable_recipe(content, Path(config).stem)
    training = content.get("recipe") == "keras"
    prepared = prepare(recipe.data, network=recipe.spec)
    return recipe, probe_of(prepared, recipe, steps if training else 0), prepared.dataset, training


def _checks(recipe: Recipe, probe: Probe, dtype: str, training: bool) -> Iterator[Check]:
    from ...comparison.parity.levels import parity as compared
    from ...comparison.parity.rules import optimizer_rules, schedule_rules

    if training:
        yield from optimizer_rules()
        yield from schedule_rules()
    yield from compared(recipe, probe, dtype, forced=True, training=training)


def _shown(checks: Iterable[Any], steps: int) -> Iterator[Any]:
    """Yield checks, or pairs with one, and show progress on standard error: a bar, or a line a
    kind.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("steps"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    shown = set()
    start = time.perf_counter()
    on_terminal = sys.stderr.isatty()
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not on_terminal
    ) as bar:
        task = bar.add_task("", total=steps)
        for item in checks:
            check = item[1] if isinstance(item, tuple) else item
            if check.name not in shown and not on_terminal:
                seconds = time.perf_counter() - start
                print(f"{seconds:6.1f} s  {check.name}", file=sys.stderr, flush=True)
            shown.add(check.name)
            step = check.part.rpartition("step ")[2]
            bar.update(
                task, description=check.name, completed=int(step) if step.isdigit() else None
            )
            yield item


def _floor(recipe: Recipe, probe: Probe, dtype: str) -> list[dict[str, Any]]:
    from ...comparison.parity.floor import floor, rows

    checks_of: dict = {}
    for pair, check in _shown(floor(recipe, probe, dtype), len(probe.batches)):
        checks_of.setdefault(pair, []).append(check)
    return rows(checks_of)


def _outcome(
    checks: list[Check],
    floor: list[dict[str, Any]] | None,
    about: list[str],
    command: str,
    folder: Path,
) -> Outcome:
    from ...comparison.parity.floor import cells
    from ...comparison.parity.page import aligned, page, record, rows, sentence, table
    from ...environment import hardware, versions
    from ...files import write_json, write_text

    kinds = rows(checks)
    software = versions()
    machine = hardware()
    files = [folder / "parity.md", folder / "parity.json"]
    data = {
        "command": command,
        "about": about,
        "versions": software,
        "hardware": machine,
        **record(kinds, checks),
        "floor": floor,
        "files": [str(path) for path in files],
    }
    measured = cells(floor, places=True) if floor else None
    write_text(files[0], page(kinds, [*about, _provenance(command, software, machine)], measured))
    write_json(files[1], data)
    floor_table = [aligned(cells(floor, places=False), range(1, 6)), ""] if floor else []
    if not data["passed"]:
        print(sentence(kinds), file=sys.stderr)
    lines = [*about, "", table(kinds), "", *floor_table, f"page: {files[0]}", sentence(kinds)]
    return Outcome(data, "\n".join(lines), 0 if data["passed"] else 1)


def _provenance(command: str, *facts: dict[str, Any]) -> str:
    measured = "; ".join(
        ", ".join(f"{key} {value}" for key, value in each.items()) for each in facts
    )
    return f"Made with `{command}`; {measured}."


def _command(
    config: str,
    dtype: str,
    steps: int | None,
    seed: int | None,
    options: list[str] | None,
    floor: bool,
    out: str,
) -> str:
    command = ["python", "-m", "lit_mnist", "parity", "--config", config, "--dtype", dtype]
    command += [] if steps is None else ["--steps", str(steps)]
    command += [] if seed is None else ["--seed", str(seed)]
    command += ["--options", *options] if options else []
    return shlex.join([*command, *(["--floor"] if floor else []), "--out", out])
