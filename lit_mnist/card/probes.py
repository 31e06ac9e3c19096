"""Pictures that a network was not trained for: turned, inverted and blank images, letters,
drawings.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..data import DataError
from ..data.adapt import adapt
from ..data.images import HANDWRITTEN, image_file
from ..data.pictures import SUFFIXES, open_picture
from ..data.reader import Strokes, read_digit
from ..runs.model import Model

TURNS = (15, 30, 45, 90, 180)  # degrees
TURNED = 2000  # number of test images that are turned and inverted
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # I and O look like 1 and 0
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSansMono")
_SIDE = 112  # pixels of a drawn letter's picture
_NOISE = 100
OWN = "own_digits"


@dataclass(frozen=True)
class Probe:
    """Pictures of one kind: `pixels` as the network takes them before scaling, (n, H, W) or (n, H,
    W, C).

    `labels` (n,) are classes, if the pictures have any. `strokes` exist for pictures read as
    handwriting; ``predict`` recognises by them what is no digit. `unread` counts pictures that
    could not be read.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray | None = None
    strokes: tuple[Strokes, ...] | None = None
    unread: int = 0


def changed(pixels: np.ndarray, labels: np.ndarray) -> Iterator[Probe]:
    """Yield the first `TURNED` test images, turned about their centre, and inverted."""
    pixels = pixels[:TURNED]
    labels = labels[:TURNED]
    for angle in TURNS:
        turned = np.stack([_turned(image, angle) for image in pixels])
        yield Probe(f"turned by {angle} degrees", turned, labels)
    yield Probe("inverted", 255 - pixels, labels)


def _turned(image: np.ndarray, angle: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))


def letters(model: Model) -> Probe | None:
    """Return capital letters drawn from fonts, black on white; None if there is no font."""
    fonts = [font for font in _fonts() if font.is_file()]
    pictures = [_letter(letter, font) for font in fonts for letter in LETTERS]
    if not pictures:
        return None
    return _read(f"letters ({len(fonts)} fonts)", pictures, model)


def _fonts() -> list[Path]:
    """Return the files of the DejaVu fonts, which are part of Matplotlib."""
    spec = find_spec("matplotlib")
    folders = (spec.submodule_search_locations if spec else None) or []
    return [
        Path(folder) / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
        for folder in folders
        for name in FONTS
    ]


def _letter(letter: str, font: Path) -> np.ndarray:
    picture = Image.new("L", (_SIDE, _SIDE), 255)
    draw = ImageDraw.Draw(picture)
    middle = (_SIDE / 2, _SIDE / 2)
    draw.text(middle, letter, fill=0, font=ImageFont.truetype(str(font), 72), anchor="mm")
    return np.asarray(picture)


def blank(model: Model) -> Iterator[Probe]:
    """Yield blank pictures: black, grey, white and noise."""
    height, width, channels = model.spec.input_shape
    shape = (1, height, width) if channels == 1 else (1, height, width, channels)
    for name, value in (("black", 0), ("grey", 128), ("white", 255)):
        yield Probe(f"blank ({name})", np.full(shape, value, np.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (_NOISE, *shape[1:])).astype(np.uint8)
    yield Probe("noise", noise)


def own(folder: Path, model: Model) -> Iterator[Probe]:
    """Yield the pictures of `folder`, all together and by kind; raise DataError for a folder of
    another form.

    The folder holds ``labels.csv`` (file, label and optionally kind), or a folder of pictures for
    each class.
    """
    rows = list(_rows(folder, model))
    kinds = sorted({kind for _, _, kind in rows})
    for kind in [None, *kinds] if len(kinds) > 1 else [None]:
        chosen = [row for row in rows if kind in (None, row[2])]
        name = "own drawings" + (f" ({kind.replace('_', ' ')})" if kind else "")
        yield _read_files(name, [path for path, _, _ in chosen], [n for _, n, _ in chosen], model)


def _rows(folder: Path, model: Model) -> Iterator[tuple[Path, int, str]]:
    names = list(model.class_names)
    table = folder / "labels.csv"
    if table.is_file():
        with open(table, encoding="utf-8") as file:
            listed = list(csv.DictReader(file))
        entries = [(folder / row["file"], row["label"], row.get("kind") or "") for row in listed]
    else:
        entries = [
            (path, path.parent.name, "")
            for path in sorted(folder.glob("*/*"))
            if path.suffix.lower() in SUFFIXES
        ]
    known = [(path, names.index(label), kind) for path, label, kind in entries if label in names]
    if not known:
        raise DataError(
            f"{folder}: holds no labelled pictures; accepted: labels.csv with the columns file "
            f"and label, or a folder of pictures for each of {', '.join(names[:12])}"
        )
    yield from known


def _read_files(name: str, paths: list[Path], labels: list[int], model: Model) -> Probe:
    if handwritten(model):
        pictures = [np.asarray(open_picture(path, "L"), float) for path in paths]
        return _read(name, pictures, model, labels)
    pixels = [image_file(path, model.spec.input_shape, model.dataset) for path in paths]
    return Probe(name, np.stack(pixels), np.array(labels))


def handwritten(model: Model) -> bool:
    """Whether ``predict`` reads pictures for this network as handwriting and brings them to MNIST's
    form.
    """
    return model.dataset in HANDWRITTEN and model.spec.input_shape == (28, 28, 1)


def _read(
    name: str, pictures: list[np.ndarray], model: Model, labels: list[int] | None = None
) -> Probe:
    """Read grey pictures as ``predict`` does, and count those that cannot be read."""
    if not handwritten(model):
        light = np.stack([255 - picture for picture in pictures]).astype(np.uint8)
        return Probe(name, adapt(light, model.spec.input_shape), _array(labels))
    digits = []
    numbers = []
    for number, picture in enumerate(pictures):
        try:
            digits.append(read_digit(picture))
            numbers.append(number)
        except DataError:
            continue
    shape = model.spec.input_shape[:2]
    pixels = np.stack([digit.pixels for digit in digits]) if digits else np.zeros((0, *shape))
    known = None if labels is None else np.array(labels)[numbers]
    strokes = tuple(digit.strokes for digit in digits)
    return Probe(name, pixels.astype(np.float32), known, strokes, len(pictures) - len(numbers))


def _array(labels: list[int] | None) -> np.ndarray | None:
    return None if labels is None else np.array(labels)
