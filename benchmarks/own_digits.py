"""``python -m benchmarks.own_digits [RUN...] [--every N] [--out FOLDER]``: people's digits.

``--picture FILE`` draws them.

Reads the pictures of ``$LIT_MNIST_DATA/own_digits`` with the networks of the run folders, by kind,
and measures the rule for "no digit" on pictures that it was not chosen with (`benchmarks.no_digit`
chooses it). `--picture` draws test digits on synthetic papers above what a network sees of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lit_mnist.data import load_dataset
from lit_mnist.data.reader import read_digit
from lit_mnist.errors import UserError
from lit_mnist.figures.canvas import GREY, grid_figure, save
from lit_mnist.files import write_text
from lit_mnist.pages import markdown_table
from lit_mnist.runs.model import Model, open_model

from .digit_pictures import (
    HELD_OUT,
    Readings,
    own_digits,
    probabilities,
    read_all,
    refused,
    sources,
)
from .measure import conditions

Answers = dict[str, np.ndarray]  # the predicted classes of people's digits, by model
MISREAD = "own_digits_misread.png"


def main(argv: list[str] | None = None) -> int:
    """Measure the named runs and write ``own_digits.md``; return the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.own_digits", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("runs", nargs="*", type=Path, help="run folders of MNIST networks")
    parser.add_argument(
        "--every", type=int, default=1, help="take every Nth test image (default: all)"
    )
    parser.add_argument(
        "--picture", type=Path, help="draw papers and what is read of them; no run is needed"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    options = parser.parse_args(argv)
    if options.picture:
        save(papers_and_inputs(), options.picture)
        return 0
    try:
        models = {_name(path, options.runs): open_model(path) for path in options.runs}
        command = " ".join(
            [
                "python -m benchmarks.own_digits",
                *(f"runs/{name}" for name in models),
                f"--every {options.every}",
            ]
        )
        rows, own = own_digits()
        answers = {name: _answers(model, own) for name, model in models.items()}
        figure = misread(answers, rows, own)
        text = page(models, answers, rows, own, options.every, command, figure is not None)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    write_text(options.out / "own_digits.md", text)
    if figure is not None:
        save(figure, options.out / MISREAD)
    return 0


def _name(run: Path, runs: Sequence[Path]) -> str:
    """Return the configuration's name, with the version where several runs have that name."""
    alone = [each.parent.name for each in runs].count(run.parent.name) == 1
    return run.parent.name if alone else f"{run.parent.name}/{run.name}"


def page(
    models: dict[str, Model],
    answers: Answers,
    rows: list[dict[str, str]],
    own: Readings,
    every: int,
    command: str,
    pictured: bool,
) -> str:
    """Return the record as Markdown.

    `rows` and `own` are those of `own_digits`, `answers` the models' classes of each; `pictured`:
    with a link to the misread inputs.
    """
    others = {name: read_all(pictures()) for name, pictures in sources("test", every).items()}
    environment = conditions()
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    lines = [
        "# Handwritten digits: measured",
        "",
        f"{environment['date']}, {environment.get('cpu', 'CPU')}, "
        f"{environment.get('threads')} threads; {versions}; "
        f"`{command}`. The pictures are not part of this repository.",
        "",
        "## Correctly read",
        "",
    ]
    right: list[Sequence[object]] = [("kind", "n", *models)]
    labels = np.array([int(row["label"]) for row in rows])
    for kind in [*sorted({row["kind"] for row in rows}), None]:
        part = np.array([kind in (row["kind"], None) for row in rows])
        correct = [
            f"{(guess == labels)[part].sum()} ({100 * (guess == labels)[part].mean():.1f} %)"
            for guess in answers.values()
        ]
        right.append((kind or "all", part.sum(), *correct))
    lines += [
        markdown_table(right),
        "",
        *(
            [f"![What the networks saw of the pictures that they misread]({MISREAD})", ""]
            * pictured
        ),
        '## Answered with "no digit"',
        "",
        "For digits these are errors. For other pictures, the rule recognised that they show no "
        "digit, or there was nothing to read. The rule was fitted to training images alone; its "
        "measurements were chosen with half of people's digits too, all but those held out, and "
        "revised once after a look at these (docs/own_digits.md).",
        "",
    ]
    refusals: list[Sequence[object]] = [("pictures", "n", *models)]
    people = {"people's digits": own, "half of them, held out": own[HELD_OUT]}
    for name, readings in (people | others).items():
        counts = [refused(model, readings) for model in models.values()]
        fractions = (f"{100 * count / len(readings):.1f} %" for count in counts)
        refusals.append((name, len(readings), *fractions))
    return "\n".join([*lines, markdown_table(refusals)]) + "\n"


def _answers(model: Model, readings: Readings) -> np.ndarray:
    """The predicted class of each picture, -1 where nothing was read."""
    known = np.array([digit is not None for digit in readings])
    guesses = np.full(len(readings), -1)
    guesses[known] = probabilities(
        model, [digit for digit in readings if digit is not None]
    ).argmax(1)
    return guesses


def misread(answers: Answers, rows: list[dict[str, str]], own: Readings) -> Figure | None:
    """Draw the 28 x 28 input of each picture that a network misreads, with label and answer.

    None if there is no such picture.
    """
    inputs = []
    labels = []
    for name, guesses in answers.items():
        for row, digit, guess in zip(rows, own, guesses, strict=True):
            if digit is not None and guess != int(row["label"]):
                inputs.append(digit.pixels)
                labels.append(f"{name}\n{row['label']} read as {guess}")
    if not inputs:
        return None
    return grid_figure(inputs, 8, labels, (0, 255), cmap=GREY, cell=1.3, colour_bar=False)


def papers_and_inputs() -> Figure:
    """Draw a digit on each synthetic paper, and under each row the 28 x 28 that a network sees."""
    from tests.data.reader.papers import PAPERS

    generator = np.random.default_rng(0)
    digits = load_dataset("mnist").test_images
    drawn = [kind(digit, generator) for kind, digit in zip(PAPERS, digits, strict=False)]
    inputs = [read_digit(picture).pixels for picture in drawn]
    half = len(PAPERS) // 2
    cells = [*drawn[:half], *inputs[:half], *drawn[half:], *inputs[half:]]
    images = [
        np.asarray(Image.fromarray(cell.astype(np.float32)).resize((112, 112))) for cell in cells
    ]
    names = [kind.__name__.replace("_", " ") for kind in PAPERS]
    seen = ["28 x 28"] * half
    return grid_figure(
        images,
        half,
        [*names[:half], *seen, *names[half:], *seen],
        (0, 255),
        cmap=GREY,
        cell=1.3,
        colour_bar=False,
    )


if __name__ == "__main__":
    sys.exit(main())
