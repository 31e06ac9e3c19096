"""Pages of several digits: digits of MNIST set in lines, and house numbers drawn with a pen of
straight strokes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

# strokes of each digit on a grid 4 wide and 6 high, as a ball pen draws them
STROKES = {
    "0": [[(1, 0), (3, 0), (4, 2), (4, 4), (3, 6), (1, 6), (0, 4), (0, 2), (1, 0)]],
    "1": [[(1, 1.5), (2.5, 0), (2.5, 6)]],
    "2": [[(0, 1.5), (1, 0), (3, 0), (4, 1.5), (0, 6), (4, 6)]],
    "4": [[(3, 0), (0, 4), (4.4, 4)], [(3.2, 2.2), (3.2, 6)]],
    "7": [[(0, 0), (4, 0), (1.5, 6)]],
}


def composed(digits: np.ndarray, columns: int, generator: np.random.Generator) -> np.ndarray:
    """Set digits (n, 28, 28), 84 pixels high, in lines of `columns` on shaded, grainy paper."""
    rows = -(-len(digits) // columns)
    page = np.full((20 + 120 * rows, 20 + 130 * columns), 235.0)
    for number, digit in enumerate(digits):
        row, column = divmod(number, columns)
        top, left = np.array([15 + 120 * row, 20 + 130 * column]) + generator.integers(-8, 9, 2)
        ink = ndimage.zoom(digit / 255, 3, order=1).clip(0, 1)
        part = page[top : top + 84, left : left + 84]
        part[:] = part * (1 - ink) + 20 * ink
    page -= np.linspace(0, 80, page.shape[1])
    return (page + generator.normal(0, 4, page.shape)).clip(0, 255)


def drawn(lines: list[str], pen: int = 5) -> np.ndarray:
    """Draw lines of digits with a round pen."""
    unit, pitch = 10, 70
    image = Image.new("L", (40 + pitch * max(map(len, lines)), 30 + 95 * len(lines)), 250)
    canvas = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        for column, digit in enumerate(line):
            for stroke in STROKES[digit]:
                points = [
                    (25 + pitch * column + unit * x, 20 + 95 * row + unit * y) for x, y in stroke
                ]
                canvas.line(points, 30, pen, "curve")
                for x, y in points:
                    canvas.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), 30)
    return np.asarray(image, float)
