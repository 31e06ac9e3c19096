"""``python -m benchmarks.own_digits [RUN...] [--every N] [--fit] [--out FOLDER]``: people's digits.

``--picture FILE`` draws them.

Reads the pictures of ``$LIT_MNIST_DATA/own_digits`` with the networks of the run folders, by kind,
and measures the rule for "no digit" on test images that it was not chosen on. `--fit` makes the
rule's weights again, `--picture` draws test digits on synthetic papers above what a network sees of
them.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from lit_mnist.data import DataError, load_dataset
from lit_mnist.data.dataset import default_root
from lit_mnist.data.pictures import open_picture
from lit_mnist.data.reader import Digit, doubt, read_digit
from lit_mnist.data.reader.no_digit import WEIGHTS, measurements
from lit_mnist.errors import UserError
from lit_mnist.figures.canvas import GREY, grid_figure, save
from lit_mnist.files import write_text
from lit_mnist.pages import markdown_table
from lit_mnist.runs.model import Model, open_model

from .measure import conditions

Pictures = Iterable[np.ndarray]
Readings = list[Digit | None]


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
        "--fit",
        action="store_true",
        help="fit the rule's weights on training images and print them",
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
        models = {path.parent.name: open_model(path) for path in options.runs}
        if options.fit:
            print(fitted(list(models.values()), options.every))
            return 0
        command = " ".join(
            [
                "python -m benchmarks.own_digits",
                *(f"runs/{run.parent.name}" for run in options.runs),
                f"--every {options.every}",
            ]
        )
        text = page(models, options.every, command)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    write_text(options.out / "own_digits.md", text)
    return 0


def own_digits() -> tuple[list[dict[str, str]], Readings]:
    """Return the rows of labels.csv and what was read of each picture."""
    folder = default_root() / "own_digits"
    with open(folder / "labels.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return rows, read_all(_grey(folder / row["file"]) for row in rows)


def _grey(path: Path) -> np.ndarray:
    return np.asarray(open_picture(path, "L"), float)


def read_all(pictures: Pictures) -> Readings:
    """Read each picture; None where nothing stands out from the background."""
    digits: Readings = []
    for picture in pictures:
        try:
            digits.append(read_digit(picture))
        except DataError:
            digits.append(None)
    return digits


def probabilities(model: Model, digits: list[Digit]) -> np.ndarray:
    """Return the network's probabilities (n, classes)."""
    pixels = np.stack([digit.pixels for digit in digits]).astype(np.float32)
    with torch.no_grad():
        return model.network.probabilities(model.network(model.tensor(pixels))).double().numpy()


def refused(model: Model, readings: Readings) -> int:
    """How many pictures are answered with "no digit", or hold nothing to read."""
    digits = [digit for digit in readings if digit is not None]
    sure = probabilities(model, digits).max(1)
    accepted = [
        doubt(digit.strokes, float(p)) is None for digit, p in zip(digits, sure, strict=True)
    ]
    return len(readings) - sum(accepted)


def page(models: dict[str, Model], every: int, command: str) -> str:
    """Return the record as Markdown."""
    rows, own = own_digits()
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
    answers = {name: _answers(model, own) for name, model in models.items()}
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
        '## Answered with "no digit"',
        "",
        "For digits these are errors. For other pictures, the rule recognised that they show no "
        "digit, or there was nothing to read. The rule's thresholds were chosen with these "
        "pictures.",
        "",
    ]
    refusals: list[Sequence[object]] = [("pictures", "n", *models)]
    for name, readings in {"people's digits": own, **others}.items():
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


def sources(part: str, every: int) -> dict[str, Callable[[], Pictures]]:
    """Return MNIST, Fashion-MNIST, cats and dogs, and letters, one picture in `every`.

    `part` is train or test.
    """
    folder = default_root() / "cats_dogs" / part
    photographs = sorted(folder.rglob("*.jpg"))[::every]
    images = {
        name: getattr(load_dataset(name), f"{part}_images")[::every]
        for name in ("mnist", "fashion_mnist")
    }
    return {
        "MNIST": lambda: images["mnist"],
        "Fashion-MNIST": lambda: images["fashion_mnist"],
        "cats and dogs": lambda: map(_grey, photographs),
        "letters of fonts": lambda: letters()[::every],
    }


def papers(count: int) -> Pictures:
    """Draw training digits on the synthetic papers of the tests."""
    from tests.data.reader.papers import PAPERS

    generator = np.random.default_rng(0)
    digits = load_dataset("mnist").train_images[:count]
    return (PAPERS[number % len(PAPERS)](digit, generator) for number, digit in enumerate(digits))


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


def letters() -> list[np.ndarray]:
    """Draw A to Z and a to z in the fonts that matplotlib brings along."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = [str(path) for path in sorted(folder.glob("DejaVu*.ttf")) if "Display" not in path.name]
    return [
        _letter(chr(code), path) for path in paths for code in [*range(65, 91), *range(97, 123)]
    ]


def _letter(character: str, font: str) -> np.ndarray:
    image = Image.new("L", (140, 160), 255)
    ImageDraw.Draw(image).text(
        (70, 80), character, fill=0, font=ImageFont.truetype(font, 90), anchor="mm"
    )
    return np.asarray(image, float)


def fitted(models: list[Model], every: int) -> dict[str, float]:
    """Fit the rule on training images: digits, plain and on papers, against clothes, cats and dogs.

    Both sides have equal weight. `no_digit` holds what two networks gave with every 60th digit, 600
    papers, every 100th piece of clothing and 200 photographs.
    """
    from sklearn.linear_model import LogisticRegression

    readings = {name: read_all(pictures()) for name, pictures in sources("train", every).items()}
    sides = (
        readings["MNIST"] + read_all(papers(600)),
        readings["Fashion-MNIST"] + readings["cats and dogs"],
    )
    values = [np.concatenate([_values(model, side) for model in models]) for side in sides]
    inputs = np.concatenate(values)
    scale = np.concatenate(values).std(0)
    targets = np.repeat([1, 0], [len(side) for side in values])
    rule = LogisticRegression(max_iter=5000, class_weight="balanced").fit(inputs / scale, targets)
    weights = dict(zip(WEIGHTS, (rule.coef_[0] / scale).round(2).tolist(), strict=True))
    return weights | {"intercept": round(float(rule.intercept_[0]), 2)}


def _values(model: Model, readings: Readings) -> np.ndarray:
    digits = [digit for digit in readings if digit is not None]
    sure = probabilities(model, digits).max(1)
    rows = [measurements(digit.strokes, float(p)) for digit, p in zip(digits, sure, strict=True)]
    return np.array([[row[name] for name in WEIGHTS] for row in rows])


if __name__ == "__main__":
    sys.exit(main())
