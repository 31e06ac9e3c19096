"""Pictures of digits and of other things, as `benchmarks.own_digits` and `benchmarks.no_digit` read
them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from lit_mnist.data import DataError, load_dataset
from lit_mnist.data.dataset import default_root
from lit_mnist.data.pictures import open_picture
from lit_mnist.data.reader import Digit, doubt, read_digit
from lit_mnist.runs.model import Model

Pictures = Iterable[np.ndarray]
Readings = list[Digit | None]
# people's digits that were not looked at when the inputs of the rule for "no digit" were chosen
HELD_OUT = slice(1, None, 2)


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
