"""Pictures for TensorBoard, drawn with NumPy and a bitmap font in about a millisecond each.

A matplotlib figure of 128 maps takes seconds, for which training would wait. These are palette
images: 200 colours of a scale, 48 greys for digits, and a few for background and text.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .canvas import SEQUENTIAL, SIGNED, colormap, kernel_colours, signed_range, value_range

_COLOURS = 200
_GREYS = 48
_GROUND = 253
_TEXT = 254
_MARK = 255
_FIXED = ((255, 255, 255), (32, 32, 36), (198, 40, 40))
# pixels: width and height of the font's letters
_LETTER = 6
_LINE = 11
# pixels: target width of a map, width of the gap between maps
_CELL = 52
_GAP = 4
_UNITS = 20  # units of a vector in a row


@dataclass(frozen=True)
class Picture:
    """Palette indices (height, width) and `palette` (256, 3), or colours (height, width, 3); all
    uint8.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def rgb(self) -> np.ndarray:
        """The picture as (height, width, 3) uint8."""
        return self.pixels if self.palette is None else self.palette[self.pixels]

    def png(self) -> bytes:
        """Return the picture as the content of a PNG file."""
        image = Image.fromarray(self.pixels)
        buffer = io.BytesIO()
        if self.palette is not None:
            image.putpalette(self.palette.tobytes())
        image.save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()


def maps(values: np.ndarray, digit: np.ndarray, caption: str, columns: int = 8) -> Picture:
    """Draw a layer's maps (n, rows, columns) or units (n,), numbered, on one scale, below the
    digit.

    Where values are negative, the scale is signed: blue below zero, red above. `digit` is (H, W) or
    (H, W, 3), 0 to 255.
    """
    units = values.ndim == 1
    images = values.reshape(-1, 1, 1) if units else values
    signed = bool((images < 0).any())
    low, high = (signed_range if signed else value_range)(images)
    cells = _enlarged(_scaled(images, low, high), _CELL // 2 if units else _CELL)
    labels = tuple(str(number) for number in range(len(cells)))
    grid = _grid(cells, labels, _UNITS if units else columns)
    grey = digit if digit.ndim == 2 else digit.mean(2)
    picture = Picture(
        _stacked(_header(grey, f"{caption}\n{_range(images)}"), grid), _palette(signed)
    )
    return picture if digit.ndim == 2 else _pasted(picture, _bytes(digit)[None], [(0, 0)])


def filters(kernels: np.ndarray, caption: str, columns: int = 8) -> Picture:
    """Draw kernels (maps, rows, columns), numbered, on one signed scale centred on zero.

    Kernels (maps, rows, columns, 3) of a layer that reads a colour image are drawn in colour, zero
    in grey.
    """
    if kernels.ndim == 4:
        colours = _bytes(255 * kernel_colours(kernels))
        return _in_colour(colours, tuple(map(str, range(len(kernels)))), caption, columns)
    cells = _enlarged(_scaled(kernels, *signed_range(kernels)), _CELL)
    labels = tuple(str(number) for number in range(len(cells)))
    header = _header(None, f"{caption}\n{_range(kernels)}")
    return Picture(_stacked(header, _grid(cells, labels, columns)), _palette(True))


def mistakes(pixels: np.ndarray, labels: Sequence[str], caption: str, columns: int = 8) -> Picture:
    """Draw images (n, H, W) or (n, H, W, 3), 0 to 255, below labels of one or more lines."""
    if len(pixels) == 0:
        return Picture(_header(None, f"{caption}\nno mistakes"), _palette(False))
    if pixels.ndim == 4:
        return _in_colour(_bytes(pixels), tuple(labels), caption, columns)
    cells = _enlarged(_grey(pixels), _CELL)
    return Picture(
        _stacked(_header(None, caption), _grid(cells, tuple(labels), columns)), _palette(False)
    )


def confusion_matrix(matrix: np.ndarray, class_names: Sequence[str], caption: str) -> Picture:
    """Draw counts by true class (row) and predicted class (column); only mistakes are shaded."""
    counts = np.asarray(matrix)
    names = [name[:5] for name in class_names]
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    width = 5 * _LETTER + 6
    height = 2 * _LINE
    left = 6 * _LETTER
    shades = (wrong * (_COLOURS / 2 - 1) / max(1, wrong.max())).round().astype(np.uint8)
    body = shades.repeat(height, 0).repeat(width, 1)
    body[:, ::width] = body[::height] = _COLOURS + _GREYS * 3 // 4
    canvas = np.full((body.shape[0] + _LINE + 2, left + body.shape[1]), _GROUND, np.uint8)
    canvas[_LINE + 2 :, left:] = body
    texts = [((left + width * i + 4, 0), name) for i, name in enumerate(names)]
    texts += [((2, _LINE + 2 + height * i + 6), name) for i, name in enumerate(names)]
    texts += [
        (
            (
                left + width * c + (width - _LETTER * len(str(counts[r, c]))) // 2,
                _LINE + 2 + height * r + 6,
            ),
            str(counts[r, c]),
        )
        for r, c in np.ndindex(counts.shape)
        if counts[r, c]
    ]
    canvas[_written(canvas.shape, tuple(texts))] = _TEXT
    return Picture(
        _stacked(_header(None, f"{caption}\nrows true, columns predicted"), canvas), _reds()
    )


def _in_colour(images: np.ndarray, labels: tuple[str, ...], caption: str, columns: int) -> Picture:
    """Draw images (n, H, W, 3) uint8, each under its label."""
    factor = max(1, round(_CELL / images.shape[2]))
    cells = images.repeat(factor, 1).repeat(factor, 2)
    ground = np.full(cells.shape[:3], _GROUND, np.uint8)
    header = _header(None, caption)
    picture = Picture(_stacked(header, _grid(ground, labels, columns)), _palette(False))
    columns = min(columns, len(cells))
    strip, width, _ = _cell(ground.shape, labels, columns)
    height = strip + cells.shape[1] + _GAP
    corners = [
        (len(header) + height * (number // columns) + strip, width * (number % columns))
        for number in range(len(cells))
    ]
    return _pasted(picture, cells, corners)


def _pasted(picture: Picture, images: np.ndarray, corners: Sequence[tuple[int, int]]) -> Picture:
    """Return a colour picture with images (n, H, W, 3), uint8, at `corners` (top, left)."""
    sheet = picture.rgb.copy()
    for image, (top, left) in zip(images, corners, strict=True):
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return Picture(sheet)


def _bytes(pixels: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.asarray(pixels, np.float32)).clip(0, 255).round().astype(np.uint8)


def _range(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    extent = f"{finite.min():.3g} to {finite.max():.3g}" if finite.size else "nothing finite"
    return (
        extent
        if finite.size == values.size
        else f"{extent}; {values.size - finite.size} not finite"
    )


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return values as indices of the colour scale; NaN and infinity have the colour of marks."""
    finite = np.isfinite(values)
    fraction = (np.where(finite, values, low) - low) / (high - low)
    return np.where(finite, (fraction * (_COLOURS - 1)).round(), _MARK).astype(np.uint8)


def _grey(pixels: np.ndarray) -> np.ndarray:
    return (_COLOURS + np.asarray(pixels, np.float32).clip(0, 255) * ((_GREYS - 1) / 255)).astype(
        np.uint8
    )


def _enlarged(cells: np.ndarray, width: int) -> np.ndarray:
    """Return each value as a square of pixels, so that the image is about `width` pixels wide."""
    factor = max(1, round(width / cells.shape[2]))
    return cells.repeat(factor, 1).repeat(factor, 2)


def _grid(cells: np.ndarray, labels: tuple[str, ...], columns: int) -> np.ndarray:
    columns = min(columns, len(cells))
    strip, width, rows = _cell(cells.shape, labels, columns)
    canvas = np.full((rows * columns, strip + cells.shape[1] + _GAP, width), _GROUND, np.uint8)
    canvas[: len(cells), strip : strip + cells.shape[1], : cells.shape[2]] = cells
    canvas = (
        canvas.reshape(rows, columns, *canvas.shape[1:])
        .transpose(0, 2, 1, 3)
        .reshape(-1, columns * width)
    )
    canvas[_labels(cells.shape, labels, columns)] = _TEXT
    return canvas


@lru_cache(maxsize=64)
def _cell(shape: tuple[int, ...], labels: tuple[str, ...], columns: int) -> tuple[int, int, int]:
    """Return the height of the text above an image, the width of a cell and the number of rows."""
    lines = [line for label in labels for line in label.split("\n")]
    strip = _LINE * max(label.count("\n") + 1 for label in labels)
    return (
        strip,
        max(shape[2], _LETTER * max(map(len, lines))) + _GAP,
        math.ceil(shape[0] / columns),
    )


@lru_cache(maxsize=32)  # maps keep their numbers from one picture to the next
def _labels(shape: tuple[int, ...], labels: tuple[str, ...], columns: int) -> np.ndarray:
    strip, width, rows = _cell(shape, labels, columns)
    height = strip + shape[1] + _GAP
    texts = [
        ((width * (i % columns), height * (i // columns) + _LINE * n), line)
        for i, label in enumerate(labels)
        for n, line in enumerate(label.split("\n"))
    ]
    return _written((rows * height, columns * width), tuple(texts))


def _written(shape: tuple[int, ...], texts: tuple[tuple[tuple[int, int], str], ...]) -> np.ndarray:
    """Return a mask (height, width) of the ink of `texts` at their positions."""
    sheet = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(sheet)
    for position, text in texts:
        draw.text(position, text.encode("latin-1", "replace").decode("latin-1"), 1, _font())
    return np.asarray(sheet)


@lru_cache(maxsize=1)
def _font() -> ImageFont.ImageFont:
    return ImageFont.load_default_imagefont()


def _header(digit: np.ndarray | None, text: str) -> np.ndarray:
    """Return the digit, if there is one, and the lines of `text` beside it."""
    left = 0 if digit is None else digit.shape[1] + 6
    lines = text.split("\n")
    height = max(_LINE * len(lines), 0 if digit is None else digit.shape[0]) + 4
    canvas = np.full((height, left + _LETTER * max(map(len, lines))), _GROUND, np.uint8)
    canvas[
        _written(canvas.shape, tuple(((left, 1 + _LINE * n), line) for n, line in enumerate(lines)))
    ] = _TEXT
    if digit is not None:
        canvas[: digit.shape[0], : digit.shape[1]] = _grey(digit)
    return canvas


def _stacked(*images: np.ndarray) -> np.ndarray:
    width = max(image.shape[1] for image in images)
    return np.concatenate(
        [
            np.pad(image, ((0, 0), (0, width - image.shape[1])), constant_values=_GROUND)
            for image in images
        ]
    )


@lru_cache(maxsize=2)
def _palette(signed: bool) -> np.ndarray:
    return _with_scale(colormap(SIGNED if signed else SEQUENTIAL)(np.linspace(0, 1, _COLOURS)))


@lru_cache(maxsize=1)
def _reds() -> np.ndarray:
    """Return the lighter half of the reds, on which black numbers are readable."""
    return _with_scale(colormap("Reds")(np.linspace(0, 1.2, _COLOURS).clip(0, 1)))


def _with_scale(colours: np.ndarray) -> np.ndarray:
    palette = np.zeros((256, 3), np.uint8)
    palette[:_COLOURS] = (colours[:, :3] * 255).round()
    palette[_COLOURS : _COLOURS + _GREYS] = np.linspace(0, 255, _GREYS).round()[:, None]
    palette[_GROUND:] = _FIXED
    return palette
